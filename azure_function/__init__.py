"""The server as an Azure Function with a managed identity, for Azure AI Foundry."""
