from azure_function.app import app  # noqa: F401 - the Functions worker looks for the app in this module
