"""What training carries from step to step: parameters, statistics, the optimizer's state."""
