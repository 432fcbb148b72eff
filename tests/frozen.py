"""The last import of a process to fork from: what was imported is left alone by the collectors of its forks."""

import gc

gc.freeze()
