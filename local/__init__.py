"""What runs on one machine: the command line, and what stands in for what a cloud would give."""
