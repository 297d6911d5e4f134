"""A token issuer for this machine: real OAuth 2.0 over real HTTP, in the shapes of the platforms' own issuers.

It is written on PyJWT and cryptography, which are installed anyway. The OAuth libraries for Python bring a web
framework or a database of clients, and answer as the RFCs say, not as the platforms do. The differences between Entra,
Cognito and Databricks, which are all that matters here, would have to be written on top.
"""

from local.emulators.issuer.app import IssuerApp
from local.emulators.issuer.clients import Client, Resource
from local.emulators.issuer.issuer import Issuer
from local.emulators.issuer.keys import SigningKeys
from local.emulators.issuer.running import RunningIssuer, running_issuer
from local.emulators.issuer.trouble import Trouble
from local.emulators.issuer.users import User

__all__ = [
    "Client",
    "Issuer",
    "IssuerApp",
    "Resource",
    "RunningIssuer",
    "SigningKeys",
    "Trouble",
    "User",
    "running_issuer",
]
