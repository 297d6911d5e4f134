"""AWS, emulated on one machine: function URLs, execution environments, identities, Secrets Manager."""
