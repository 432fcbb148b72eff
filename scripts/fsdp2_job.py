"""torchrun --nproc-per-node 2 scripts/fsdp2_job.py [--steps 100] [--out runs/fsdp2]

Sharded training (FSDP2) on CPUs or GPUs: every rank calls `watch`, rank 0 writes, each rank decomposes its share of the
matrices.
"""

from __future__ import annotations

import argparse

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

import htmu_diag
from htmu_diag.report import plain_table

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--steps", type=int, default=100)
parser.add_argument("--width", type=int, default=256)
parser.add_argument("--every", type=int, default=25, help="steps between two measurements")
parser.add_argument("--out", default="runs/fsdp2", help="a new folder for spectra and TensorBoard events")
chosen = parser.parse_args()

kind = "cuda" if torch.cuda.is_available() else "cpu"
dist.init_process_group("nccl" if kind == "cuda" else "gloo")
rank = dist.get_rank()
device = torch.device(kind, rank) if kind == "cuda" else torch.device("cpu")

torch.manual_seed(0)  # the same weights on every rank
blocks = [nn.Sequential(nn.Linear(chosen.width, chosen.width), nn.ReLU()) for _ in range(3)]
model = nn.Sequential(*blocks, nn.Linear(chosen.width, 10)).to(device)
mesh = init_device_mesh(kind, (dist.get_world_size(),))
for block in blocks:
    fully_shard(block, mesh=mesh)
fully_shard(model, mesh=mesh)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

torch.manual_seed(rank)  # other samples on every rank
directions = torch.randn(10, chosen.width, generator=torch.Generator().manual_seed(1)).to(device)
with htmu_diag.watch(model, optimizer, log_dir=chosen.out, every=chosen.every) as monitor:  # htmu, after fully_shard
    for _ in range(chosen.steps):
        inputs = torch.randn(32, chosen.width, device=device)
        loss = nn.functional.cross_entropy(model(inputs), (inputs @ directions.T).argmax(1))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        monitor.log({"train/loss": loss})  # htmu
if rank == 0:
    run = htmu_diag.load_run(chosen.out)
    print(plain_table(run.diagnose(run.steps[-1]).diagnoses))
dist.destroy_process_group()
