"""The issuer's signing keys: made here, rotated on request, published as a JWK set."""

from __future__ import annotations

import json
import threading
import uuid
from dataclasses import dataclass, field
from typing import Any, Literal

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

__all__ = ["Algorithm", "SigningKey", "SigningKeys"]

Algorithm = Literal["RS256", "ES256"]


@dataclass(frozen=True)
class SigningKey:
    """One key pair with its id."""

    algorithm: Algorithm
    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = field(repr=False)
    kid: str = field(default_factory=lambda: uuid.uuid4().hex)

    @classmethod
    def new(cls, algorithm: Algorithm) -> SigningKey:
        """A new key pair."""
        if algorithm == "ES256":
            return cls(algorithm, ec.generate_private_key(ec.SECP256R1()))
        return cls(algorithm, rsa.generate_private_key(public_exponent=65537, key_size=2048))

    @property
    def jwk(self) -> dict[str, Any]:
        """The public part, as it is published."""
        public = self.private.public_key()
        text = RSAAlgorithm.to_jwk(public) if isinstance(public, rsa.RSAPublicKey) else ECAlgorithm.to_jwk(public)
        published = {name: value for name, value in json.loads(text).items() if name != "key_ops"}
        return {**published, "kid": self.kid, "use": "sig", "alg": self.algorithm}

    def sign(self, claims: dict[str, Any], headers: dict[str, Any]) -> str:
        """A token with ``claims``; ``headers`` replace the usual ones."""
        return jwt.encode(claims, self.private, algorithm=self.algorithm, headers={"kid": self.kid, **headers})


class SigningKeys:
    """The published keys, of which the newest signs. Safe to rotate while requests are served."""

    def __init__(self, algorithm: Algorithm = "RS256") -> None:
        self._algorithm = algorithm
        self._lock = threading.Lock()
        self._keys: tuple[SigningKey, ...] = (SigningKey.new(algorithm),)

    @property
    def current(self) -> SigningKey:
        """The key that signs now."""
        return self._keys[-1]

    def rotate(self, *, keep: int = 1) -> SigningKey:
        """Sign with a new key from now on; the last ``keep`` ones before it stay published."""
        new = SigningKey.new(self._algorithm)
        with self._lock:
            self._keys = (*(self._keys[-keep:] if keep else ()), new)
        return new

    def public(self, kid: object) -> rsa.RSAPublicKey | ec.EllipticCurvePublicKey:
        """The public part of the published key ``kid``.

        Raises:
            jwt.InvalidKeyError: There is no such key.
        """
        for key in self._keys:
            if key.kid == kid:
                return key.private.public_key()
        raise jwt.InvalidKeyError("no such key")

    def document(self) -> dict[str, Any]:
        """The JWK set (RFC 7517 section 5)."""
        return {"keys": [key.jwk for key in self._keys]}
