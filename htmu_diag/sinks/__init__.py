"""Sinks: where diagnosed steps go: TensorBoard, JSON lines, the console, memory."""
