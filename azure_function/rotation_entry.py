"""What ``rotation_app.py`` shows to the worker: the rotation, or, where a setting is wrong, an app that says so.

An exception while the app is imported would leave no function at all, and the host may log nothing of it: the
credential would grow old in silence. So the same functions are there, and each fails with what is to be corrected.
"""

from __future__ import annotations

import json
import logging

import azure.functions as func

from core.credentials.rotation_errors import RotationError
from core.errors import SettingsError

__all__ = ["app"]

logger = logging.getLogger(__name__)


def _misconfigured(error: SettingsError) -> func.FunctionApp:
    said = f"The rotation is misconfigured, and nothing is rotated: {error}"
    logger.error(said)
    failing = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)

    @failing.function_name("near_expiry")
    @failing.event_grid_trigger(arg_name="event")
    async def near_expiry(event: func.EventGridEvent) -> None:
        raise RotationError(said)

    @failing.function_name("rotate_when_near")
    @failing.timer_trigger(arg_name="timer", schedule="0 17 3 * * *")
    async def rotate_when_near(timer: func.TimerRequest) -> None:
        raise RotationError(said)

    @failing.function_name("rotate_on_demand")
    @failing.route(route="rotate", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
    async def rotate_on_demand(req: func.HttpRequest) -> func.HttpResponse:
        logger.error(said)
        answer = {"error": "The rotation is misconfigured; the app's log says what to correct."}
        return func.HttpResponse(json.dumps(answer), status_code=503, mimetype="application/json")

    return failing


try:
    from azure_function.rotation import app
except SettingsError as error:
    app = _misconfigured(error)
