"""The agent of infra/aws/agent.py with its own packages: ``make aws-agent``. Not part of the suite, for its size."""
