"""FID's Inception v3 written with PyTorch's functions, by torchvision's names."""

import numpy as np

LEAVES = ("conv.weight", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var")


class TorchInception:
    """Runs the network; a weight that is asked for the first time is drawn.

    Attributes:
        weights: the state dict, as arrays.
    """

    def __init__(self, torch, seed=0):
        self.torch, self.weights = torch, {}
        self._generator = np.random.default_rng(seed)

    def __call__(self, x):
        """(N, 3, 299, 299) to (N, 2048)."""
        f = self.torch.nn.functional
        x = self._layer(x, "Conv2d_1a_3x3", 32, 3, stride=2, padding=0)
        x = self._layer(x, "Conv2d_2a_3x3", 32, 3, padding=0)
        x = self._layer(x, "Conv2d_2b_3x3", 64, 3)
        x = f.max_pool2d(x, 3, 2)
        x = self._layer(x, "Conv2d_3b_1x1", 80, 1)
        x = self._layer(x, "Conv2d_4a_3x3", 192, 3, padding=0)
        x = f.max_pool2d(x, 3, 2)
        for name, pool in (("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)):
            x = self._block(
                x,
                name,
                [[("branch1x1", 64, 1)]],
                [[("branch5x5_1", 48, 1), ("branch5x5_2", 64, 5)]],
                [[("branch3x3dbl_1", 64, 1), ("branch3x3dbl_2", 96, 3), ("branch3x3dbl_3", 96, 3)]],
                pool=pool,
            )
        double = [
            ("branch3x3dbl_1", 64, 1),
            ("branch3x3dbl_2", 96, 3),
            ("branch3x3dbl_3", 96, 3, 2),
        ]
        x = self._reduction(x, "Mixed_6a", [("branch3x3", 384, 3, 2)], double)
        for name, c in (("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)):
            once = [("branch7x7_1", c, 1), ("branch7x7_2", c, (1, 7)), ("branch7x7_3", 192, (7, 1))]
            twice = [
                *[("branch7x7dbl_1", c, 1), ("branch7x7dbl_2", c, (7, 1))],
                *[("branch7x7dbl_3", c, (1, 7)), ("branch7x7dbl_4", c, (7, 1))],
                ("branch7x7dbl_5", 192, (1, 7)),
            ]
            x = self._block(x, name, [[("branch1x1", 192, 1)]], [once], [twice], pool=192)
        x = self._reduction(
            x,
            "Mixed_7a",
            [("branch3x3_1", 192, 1), ("branch3x3_2", 320, 3, 2)],
            [
                *[("branch7x7x3_1", 192, 1), ("branch7x7x3_2", 192, (1, 7))],
                *[("branch7x7x3_3", 192, (7, 1)), ("branch7x7x3_4", 192, 3, 2)],
            ],
        )
        for name, maxima in (("Mixed_7b", False), ("Mixed_7c", True)):
            double = [("branch3x3dbl_1", 448, 1), ("branch3x3dbl_2", 384, 3)]
            x = self._block(
                x,
                name,
                [[("branch1x1", 320, 1)]],
                [
                    [("branch3x3_1", 384, 1), ("branch3x3_2a", 384, (1, 3))],
                    [("branch3x3_1", 384, 1), ("branch3x3_2b", 384, (3, 1))],
                ],
                [
                    [*double, ("branch3x3dbl_3a", 384, (1, 3))],
                    [*double, ("branch3x3dbl_3b", 384, (3, 1))],
                ],
                pool=192,
                maxima=maxima,
            )
        return x.mean((2, 3))

    def _block(self, x, name, *groups, pool, maxima=False):
        f = self.torch.nn.functional
        pooled = (
            f.max_pool2d(x, 3, 1, 1)
            if maxima
            else f.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        )
        chains = [self._chain(x, name, chain) for group in groups for chain in group]
        chains.append(self._chain(pooled, name, [("branch_pool", pool, 1)]))
        return self.torch.cat(chains, 1)

    def _reduction(self, x, name, *chains):
        pooled = self.torch.nn.functional.max_pool2d(x, 3, 2)
        return self.torch.cat([*(self._chain(x, name, chain) for chain in chains), pooled], 1)

    def _chain(self, x, block, layers):
        for name, width, size, *stride in layers:
            strided = {"stride": stride[0], "padding": 0} if stride else {}
            x = self._layer(x, f"{block}.{name}", width, size, **strided)
        return x

    def _layer(self, x, name, width, size, stride=1, padding=None):
        size = (size, size) if isinstance(size, int) else size
        if f"{name}.conv.weight" not in self.weights:
            self._draw(name, width, x.shape[1], size)
        kernel, scale, bias, mean, variance = (
            self.torch.from_numpy(self.weights[f"{name}.{leaf}"])
            for leaf in (
                "conv.weight",
                *(f"bn.{n}" for n in ("weight", "bias", "running_mean", "running_var")),
            )
        )
        padding = (size[0] // 2, size[1] // 2) if padding is None else padding
        f = self.torch.nn.functional
        y = f.conv2d(x, kernel, None, stride, padding)
        return f.relu(f.batch_norm(y, mean, variance, scale, bias, eps=0.001))

    def _draw(self, name, width, channels, size):
        g = self._generator
        fan_in = channels * size[0] * size[1]
        drawn = {
            "conv.weight": g.standard_normal((width, channels, *size)) * np.sqrt(2 / fan_in),
            "bn.weight": np.exp(0.3 * g.standard_normal(width)),
            "bn.bias": 0.1 * g.standard_normal(width),
            "bn.running_mean": 0.1 * g.standard_normal(width),
            "bn.running_var": np.exp(0.3 * g.standard_normal(width)),
        }
        for leaf, values in drawn.items():
            self.weights[f"{name}.{leaf}"] = values.astype(np.float32)
