"""What `sam build` makes: checked outside the suite, since it needs the SAM CLI and Python 3.13."""
