"""What chips can do and hold, and the devices of a topology that is not at hand."""

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence

import jax
from jax.experimental import topologies

from madf_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Chip:
    """What one device can do and hold.

    Peaks are the published ones: Google Cloud's pages on TPU versions, NVIDIA's data sheet of the
    H100 SXM.

    Attributes:
        name: the part of a topology before the colon.
        flops: dense operations per second in bfloat16.
        float32_flops: the same for matmuls of float32 arrays at XLA's default precision, which
            rounds them to bfloat16 on TPUs and to TF32 on GPUs.
        bandwidth: of its memory, bytes per second.
        memory: bytes that a program may use: of TPUs, which keep some for themselves, what the
            compiler says when it refuses a program; of the H100 what its data sheet says.
        compiler_options: of XLA, needed where no such chip is at hand.
        topology_options: of `get_topology_desc`.
    """

    name: str
    flops: float
    float32_flops: float
    bandwidth: float
    memory: float
    compiler_options: Mapping[str, bool] = dataclasses.field(default_factory=dict)
    topology_options: Mapping[str, str] = dataclasses.field(default_factory=dict)


CHIPS = {
    chip.name: chip
    for chip in (
        # By itself the compiler would take each of the two cores of a chip for a device.
        Chip(
            "v4",
            275e12,
            275e12,
            1228e9,
            30.75 * 2**30,
            topology_options={"chip_config_name": "megacore"},
        ),
        Chip("v5e", 197e12, 197e12, 819e9, 15.75 * 2**30),
        Chip("v5p", 459e12, 459e12, 2765e9, 95.74 * 2**30),
        Chip("v6e", 918e12, 918e12, 1638e9, 31.25 * 2**30),
        # Without a GPU to tune on, Triton finds no tiles for some matmuls.
        Chip("h100", 989e12, 494e12, 3352e9, 80e9, {"xla_gpu_enable_triton_gemm": False}),
    )
}

# What XLA's compiler needs to know about an H100 (SXM, 80 GB).
_H100 = """
gpu_device_info {
  threads_per_block_limit: 1024 threads_per_warp: 32 shared_memory_per_block: 49152
  shared_memory_per_core: 233472 threads_per_core_limit: 2048 core_count: 132 fpus_per_core: 128
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
  memory_bandwidth: 3352320000000 l2_cache_size: 52428800 clock_rate_ghz: 1.98
  device_memory_size: 84929347584 shared_memory_per_block_optin: 232448
  cuda_compute_capability { major: 9 } registers_per_core_limit: 65536
  registers_per_block_limit: 65536
}
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 10 }
runtime_version { major: 12 minor: 9 patch: 0 }
device_description_str: "NVIDIA H100 80GB HBM3"
"""


def chip_of(topology: str | None, target: str | None) -> Chip:
    """The chip of a TPU slice or, without one, of GPUs in one host.

    Args:
        topology: chip and sides, such as 'v5e:4x4' or 'v5p:2x2x1', or None.
        target: 'h100', or with their number, such as 'h100:8'.

    Raises:
        UserError: the chip is unknown, or not written like this.
    """
    if topology is None:
        if re.fullmatch(r"h100(?::[1-9]\d?)?", target or "") is None:
            raise UserError(f"--target={target}: use h100, or h100:8 for eight in one host")
        return CHIPS["h100"]
    matched = re.fullmatch(r"(\w+):\d+(?:x\d+)+", topology)
    tpus = {name: chip for name, chip in CHIPS.items() if name != "h100"}
    if matched is None or matched[1] not in tpus:
        raise UserError(
            f"--topology={topology}: use CHIP:SIDES, like v5e:4x4, with one of {', '.join(tpus)}"
        )
    return tpus[matched[1]]


def devices_of(topology: str | None, target: str | None) -> tuple[Chip, Sequence[jax.Device]]:
    """The chip and the devices of a TPU slice or, without one, of GPUs in one host.

    Args:
        topology: as `chip_of` takes it.
        target: likewise.

    Raises:
        UserError: the chip is unknown, or its compiler can't describe the devices.
    """
    chip = chip_of(topology, target)
    try:
        if topology is not None:
            sides = [int(side) for side in topology.partition(":")[2].split("x")]
            alone = {"chips_per_host_bounds": (1, 1, 1)} if math.prod(sides) == 1 else {}
            found = topologies.get_topology_desc(
                topology, platform="tpu", **alone, **chip.topology_options
            )
        else:
            count = (target or "").partition(":")[2] or 1
            found = topologies.get_topology_desc(
                platform="cuda", topology=f"1x1x{count}", target_config=_H100
            )
    except Exception as error:  # the TPU runtime may raise anything
        flag = f"--target={target}" if topology is None else f"--topology={topology}"
        raise UserError(f"{flag}: {_first_line(error)}") from None
    return chip, found.devices


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
