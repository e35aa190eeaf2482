"""`/api/analyses`: what was found out about a source, and why."""

from __future__ import annotations

import msgspec
from quart import Blueprint

from autostack.api import contract, views
from autostack.api.access import current_user
from autostack.api.state import api
from autostack.core.projects import AnalysisRecord

blueprint = Blueprint("analyses", __name__, url_prefix="/api")


@blueprint.get("/projects/<project>/analyses")
@contract.answers(views.Items[views.AnalysisSummary])
async def read_all(project: str) -> views.Items[views.AnalysisSummary]:
    """A project's analyses, newest first"""
    records = await api().core.projects.analyses(current_user().id, project)
    return views.Items([msgspec.convert(record, views.AnalysisSummary, from_attributes=True) for record in records])


@blueprint.get("/analyses/<analysis>")
@contract.answers(AnalysisRecord)
async def read(analysis: str) -> AnalysisRecord:
    """An analysis: services, resources, findings, and the evidence for each answer"""
    return await api().core.projects.analysis(current_user().id, analysis)
