"""The function in AWS's own Runtime Interface Emulator: ``make rie``. Not part of the suite, for SAM is large."""
