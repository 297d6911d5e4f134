from azure_function.rotation import app  # noqa: F401 - PYTHON_SCRIPT_FILE_NAME names this module for the rotation
