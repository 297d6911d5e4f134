"""The server as an AWS Lambda function behind a function URL, for Amazon Bedrock AgentCore."""
