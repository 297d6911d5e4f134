"""What runs on one machine: the embedded database, the sample graph, the emulated clouds and the demo."""
