"""What stands in for AWS on one machine: function URLs, execution environments, identities, Secrets Manager."""
