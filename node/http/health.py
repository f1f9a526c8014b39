"""For whoever watches the node, as load balancers and supervisors ask: alive, and ready."""

import time

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from node.app import App
from node.http.answers import PRIVATE, Content, answer


def router(app: App) -> APIRouter:
    routes = APIRouter(tags=["the node"])

    @routes.get("/healthz", summary="Whether this node is alive: it can be read")
    async def alive(request: Request) -> Response:
        head = app.view.head
        shortage = app.disk.shortage
        state = {"status": "serving", "height": head.height, "leaves": head.log.size, "read_only": shortage}
        return answer(request.scope, Content(msgspec.json.encode(state), "application/json"), PRIVATE)

    @routes.get(
        "/readyz", summary="Whether it is ready: it takes envelopes and keeps up; 503, and why, where it is not"
    )
    async def ready(request: Request) -> Response:
        why, now_ms = app.not_ready, time.time_ns() // 1_000_000
        validators = [
            {
                "name": one.validator,
                "leaves": one.leaves,
                "age_seconds": (now_ms - one.time_ms) / 1000 if one.time_ms else None,
            }
            for one in app.engine.cosigned
        ]
        state = {"ready": not why, "why": why, "leaves": app.store.head.log.size, "validators": validators}
        content = Content(msgspec.json.encode(state), "application/json")
        return answer(request.scope, content, PRIVATE, status=503 if why else 200)

    return routes
