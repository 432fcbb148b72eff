"""Memory in bytes: what is still free on a device."""

from __future__ import annotations

from pathlib import Path

import torch

__all__ = ["available_bytes", "device_bytes"]

_FALLBACK = 2**32  # where the system does not tell: a laptop has 4 GB to spare


def available_bytes(device: torch.device) -> int:
    """Bytes that this process can still take on a CUDA device, or those free on the machine."""
    if device.type == "cuda":
        return device_bytes(device)[0]
    table = Path("/proc/meminfo")
    lines = table.read_text().splitlines() if table.exists() else []
    found = next((line for line in lines if line.startswith("MemAvailable")), None)
    return int(found.split()[1]) * 1024 if found else _FALLBACK


def device_bytes(device: torch.device) -> tuple[int, int]:
    """Bytes of a CUDA device that this process can still take, and that it may have in all.

    What the allocator has taken and does not use counts as free; beyond ``set_per_process_memory_fraction`` nothing is.
    """
    free, total = torch.cuda.mem_get_info(device)
    used, held = torch.cuda.memory_allocated(device), torch.cuda.memory_reserved(device)
    allowed = int(total * _fraction(device))
    return max(min(free + held - used, allowed - used), 0), allowed


def _fraction(device: torch.device) -> float:
    asked = getattr(torch.cuda, "get_per_process_memory_fraction", None)  # from torch 2.7 on
    return 1.0 if asked is None else float(asked(device))
