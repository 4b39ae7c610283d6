package wire

// Paths of the API, as patterns of net/http's mux without the method.
const (
	PathSpools      = "/v1/spools"
	PathSpool       = "/v1/spools/{spool}"
	PathSpoolPause  = "/v1/spools/{spool}/pause"
	PathSpoolResume = "/v1/spools/{spool}/resume"
	PathSweep       = "/v1/spools/{spool}/sweep"
	PathFiles       = "/v1/spools/{spool}/files"
	PathSpoolStart  = "/v1/spools/{spool}/start"
	PathStart       = "/start"
	PathJobs        = "/v1/jobs"
	PathJob         = "/v1/jobs/{id}"
	PathLog         = "/v1/jobs/{id}/log"
	PathVerb        = "/v1/jobs/{id}/{verb}"
	PathBulkRetry   = "/v1/jobs/retry"
	PathBulkEnd     = "/v1/jobs/terminate"
	PathMonitor     = "/v1/monitor"
	PathEvents      = "/v1/events"
	PathExplain     = "/v1/explain"
	PathReload      = "/v1/reload"
	PathHealth      = "/healthz"
	PathReady       = "/readyz"
	PathMetrics     = "/metrics"
	PathOpenAPI     = "/v1/openapi.yaml"
)

// TokenProtocol is the beginning of the WebSocket subprotocol by which a browser,
// which can set no header there, gives its token.
const TokenProtocol = "importerd.token."
