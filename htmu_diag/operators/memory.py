"""Memory in bytes: what is still free on a device."""

from __future__ import annotations

from pathlib import Path

import torch

__all__ = ["available_bytes"]

_FALLBACK = 2**32  # where the system does not tell: a laptop has 4 GB to spare


def available_bytes(device: torch.device) -> int:
    """Bytes free on a CUDA device, or on the machine."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    table = Path("/proc/meminfo")
    lines = table.read_text().splitlines() if table.exists() else []
    found = next((line for line in lines if line.startswith("MemAvailable")), None)
    return int(found.split()[1]) * 1024 if found else _FALLBACK
