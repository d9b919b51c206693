from reports import api, heatmap_api, lists, rebuild_api, rollup_api, trail_api
from tracking.api.urls import route

urlpatterns = [
    *route("reports", lists.ReportListView.as_view(), "reports"),
    *route("reports.csv", lists.ReportCsvView.as_view(), "reports-csv"),
    *route("rollups", rollup_api.RollupsView.as_view(), "rollups"),
    *route("heatmap", heatmap_api.HeatmapView.as_view(), "heatmap"),
    *route("reports/rebuild", rebuild_api.RebuildView.as_view(), "rebuild"),
    *route("reports/rebuild/pause", rebuild_api.PauseView.as_view(), "rebuild-pause"),
    *route("reports/rebuild/resume", rebuild_api.ResumeView.as_view(), "rebuild-resume"),
    *route("reports/rebuild/cancel", rebuild_api.CancelView.as_view(), "rebuild-cancel"),
    *route("sessions/<id:id>/report", api.ReportView.as_view(), "session-report"),
    *route("sessions/<id:id>/pointer", api.PointerView.as_view(), "session-pointer"),
    *route("sessions/<id:id>/trail", trail_api.TrailView.as_view(), "session-trail"),
    *route("sessions/<id:id>/recompute", api.RecomputeView.as_view(), "session-recompute"),
    *route("tasks/<id:id>", api.TaskView.as_view(), "task"),
]
