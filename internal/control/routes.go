package control

import (
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"

	"importerd/internal/control/reply"
	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// verb answers a request, or says why not before it has begun to answer.
type verb func(w http.ResponseWriter, r *http.Request) error

// methods are what can be done with one path.
type methods map[string]http.Handler

// routes returns what leads a request to its verb. Unknown paths and methods are
// answered in JSON too.
func (s *Server) routes() http.Handler {
	table := map[string]methods{
		wire.PathSpools:      s.get(s.listSpools),
		wire.PathSpool:       s.get(s.getSpool),
		wire.PathSpoolPause:  s.post(s.pauseSpool),
		wire.PathSpoolResume: s.post(s.resumeSpool),
		wire.PathSweep:       s.post(s.sweep),
		wire.PathFiles:       s.post(s.putFile),
		wire.PathSpoolStart:  s.post(s.startSpool),
		wire.PathStart:       s.post(s.startOnly),
		wire.PathJobs:        s.get(s.listJobs),
		wire.PathJob:         s.get(s.getJob),
		wire.PathLog:         s.get(s.getLog),
		wire.PathBulkRetry:   s.post(s.steerJobs(job.Retry, job.Failed, job.Terminated)),
		wire.PathBulkEnd: s.post(s.steerJobs(job.Terminate,
			job.Deferred, job.Processing, job.Committing, job.Paused)),
		wire.PathExplain: s.get(s.explain),
		wire.PathReload:  s.post(s.reload),
		wire.PathHealth:  s.get(s.health),
		wire.PathReady:   s.get(s.ready),
		wire.PathOpenAPI: s.get(s.describe),
	}

	for _, do := range []job.Verb{job.Pause, job.Resume, job.Terminate, job.Retry} {
		table[strings.Replace(wire.PathVerb, "{verb}", string(do), 1)] = s.post(s.steerJob(do))
	}

	// A HEAD of what never ends would not either.
	for pattern, h := range map[string]http.Handler{wire.PathMonitor: s.o.Monitor, wire.PathEvents: s.o.Events} {
		if h != nil {
			table[pattern] = methods{http.MethodGet: s.stream(h)}
		}
	}

	if s.o.Metrics != nil {
		table[wire.PathMetrics] = methods{http.MethodGet: s.o.Metrics, http.MethodHead: s.o.Metrics}
	}

	mux := http.NewServeMux()
	mux.Handle("/", s.handle(s.noPath))

	for pattern, m := range table {
		mux.Handle(pattern, s.choose(m))
	}

	return s.plain(mux)
}

// get is what can be read.
func (s *Server) get(v verb) methods {
	return methods{http.MethodGet: s.handle(v), http.MethodHead: s.handle(v)}
}

// post is what can be done.
func (s *Server) post(v verb) methods { return methods{http.MethodPost: s.handle(v)} }

// handle makes a handler of a verb.
func (s *Server) handle(v verb) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := v(w, r); err != nil {
			s.refuse(w, r, err)
		}
	})
}

// choose leads to the verb of the request's method. Headers that name another
// method mean nothing.
func (s *Server) choose(m methods) http.Handler {
	allowed := strings.Join(slices.Sorted(maps.Keys(m)), ", ")

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h, ok := m[r.Method]; ok {
			h.ServeHTTP(w, r)

			return
		}

		w.Header().Set("Allow", allowed)
		s.refuse(w, r, reply.NewFault(http.StatusMethodNotAllowed, wire.CodeMethod,
			"this path cannot be asked with %q: use %s", r.Method, allowed))
	})
}

// plain keeps paths from the mux that it would answer with a redirection, and tells
// those who came in who we are.
func (s *Server) plain(mux http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.o.Version != "" {
			w.Header().Set("Server", "importerd/"+s.o.Version)
		}

		if p := r.URL.EscapedPath(); p != path.Clean(p) || r.Method == http.MethodConnect {
			s.refuse(w, r, s.noPath(w, r))

			return
		}

		mux.ServeHTTP(w, r)
	})
}

// noPath answers for paths that are none.
func (s *Server) noPath(http.ResponseWriter, *http.Request) error {
	return reply.NotFound("there is no such path: GET %s lists what there is", wire.PathOpenAPI)
}
