"""The Spectra page as a tab of TensorBoard; found through the entry point ``tensorboard_plugins``."""
