"""What has to hold of every platform's secret store: access that is taken away ends soon."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from core.credentials.secret_store import SecretError, SecretStore
from core.credentials.sources import Credentials
from core.remembered import Refreshed
from core.settings import Settings


class Clock:
    """The time of day, as whatever is remembered sees it from now on; tests set ``now``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000_000.0
        defaults = Refreshed.__init__.__kwdefaults__
        assert defaults is not None
        monkeypatch.setitem(defaults, "clock", lambda: self.now)


async def ends_within_the_setting(
    store: SecretStore, name: str, withdraw: Callable[[], object], error: type[SecretError], clock: Clock
) -> None:
    """The credential ``name`` of ``store`` is used no longer than the setting says after ``withdraw``."""
    settings = Settings(secret=name, secret_ttl=60, secret_withdrawn=120)
    source = Credentials(settings, store).source(None)
    known = await source.current()
    withdraw()
    clock.now += 119
    assert await source.current() == known
    clock.now += 1
    with pytest.raises(error):
        await source.current()
