"""Memory in bytes: what this process uses on a device, and what is still free there."""

from __future__ import annotations

import os
from pathlib import Path

import torch

__all__ = ["available_bytes", "used_bytes"]

_FALLBACK = 2**32  # where the system does not tell: a laptop has 4 GB to spare


def used_bytes(device: torch.device) -> int:
    """Bytes allocated on a CUDA device, or resident in this process (0 where the system does not tell)."""
    if device.type == "cuda":
        return int(torch.cuda.memory_allocated(device))
    pages = Path("/proc/self/statm")
    return int(pages.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if pages.exists() else 0


def available_bytes(device: torch.device) -> int:
    """Bytes free on a CUDA device, or on the machine."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    table = Path("/proc/meminfo")
    lines = table.read_text().splitlines() if table.exists() else []
    found = next((line for line in lines if line.startswith("MemAvailable")), None)
    return int(found.split()[1]) * 1024 if found else _FALLBACK
