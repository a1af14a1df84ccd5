//! The alerts: on which figures, from when on, and what to do.

/// A rule for Prometheus, and a row of *What to watch*.
pub(crate) struct Alert {
    pub(crate) name: &'static str,
    /// The metrics that it looks at: those that a page shows, not their lines.
    pub(crate) of: &'static [&'static str],
    pub(crate) expr: &'static str,
    /// For how long it must be so.
    pub(crate) lasts: &'static str,
    pub(crate) severity: Severity,
    /// What is so; `$labels` are Prometheus'.
    pub(crate) summary: &'static str,
    pub(crate) todo: &'static str,
}

/// Who is to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    /// Somebody, at once: users notice.
    Page,
    /// Somebody, on the next working day: it will get worse, or tells of a fault.
    Ticket,
}

/// Alerts that belong together.
pub(crate) struct Group {
    pub(crate) name: &'static str,
    /// What the figures tell, and why one watches them.
    pub(crate) why: &'static str,
    pub(crate) alerts: &'static [Alert],
}

const HTTP: &str = "http_server_request_duration_seconds";
const RPC: &str = "rpc_server_call_duration_seconds";
const HTTP_CLIENT: &str = "http_client_request_duration_seconds";
const RPC_CLIENT: &str = "rpc_client_call_duration_seconds";

use Severity::{Page, Ticket};

pub(crate) const GROUPS: &[Group] = &[
    Group {
        name: "requests",
        why: "What callers get: how many requests, how many of them fail by our fault, and how long they take. If \
              these are well the service is, whatever else is not. `error_type` stands for failures that are the \
              server's, so callers' own mistakes do not count.",
        alerts: &[
            Alert {
                name: "KitHttpErrors",
                of: &[HTTP],
                expr: "sum by (job) (rate(http_server_request_duration_seconds_count{error_type!=\"\"}[5m])) / sum by (job) (rate(http_server_request_duration_seconds_count[5m])) > 0.05",
                lasts: "5m",
                severity: Page,
                summary: "{{ $value | humanizePercentage }} of the HTTP requests of {{ $labels.job }} fail",
                todo: "Look which `http_route` and `error_type` it is, then at that route's log lines and traces. 503 and 429 point at limits and breakers below, 504 at what is called.",
            },
            Alert {
                name: "KitGrpcErrors",
                of: &[RPC],
                expr: "sum by (job) (rate(rpc_server_call_duration_seconds_count{error_type!=\"\"}[5m])) / sum by (job) (rate(rpc_server_call_duration_seconds_count[5m])) > 0.05",
                lasts: "5m",
                severity: Page,
                summary: "{{ $value | humanizePercentage }} of the gRPC calls of {{ $labels.job }} fail",
                todo: "As for HTTP, by `rpc_method` and `rpc_response_status_code`.",
            },
            Alert {
                name: "KitHttpSlow",
                of: &[HTTP],
                expr: "histogram_quantile(0.99, sum by (job, le) (rate(http_server_request_duration_seconds_bucket[5m]))) > 1",
                lasts: "10m",
                severity: Page,
                summary: "One in a hundred HTTP requests of {{ $labels.job }} takes more than {{ $value | humanizeDuration }}",
                todo: "Set the second to what your callers expect. An exemplar of the bucket leads to a trace of such a request; compare `http_client_request_duration_seconds`: is it us, or what we call?",
            },
            Alert {
                name: "KitGrpcSlow",
                of: &[RPC],
                expr: "histogram_quantile(0.99, sum by (job, le) (rate(rpc_server_call_duration_seconds_bucket[5m]))) > 1",
                lasts: "10m",
                severity: Page,
                summary: "One in a hundred gRPC calls of {{ $labels.job }} takes more than {{ $value | humanizeDuration }}",
                todo: "As for HTTP. Streams last as long as they last: leave their methods out, by `rpc_method`.",
            },
            Alert {
                name: "KitPanics",
                of: &["serve_panics_total"],
                expr: "increase(serve_panics_total[10m]) > 0",
                lasts: "0m",
                severity: Ticket,
                summary: "A request made {{ $labels.job }} panic",
                todo: "It is a bug. The log has the panic and the request's id.",
            },
        ],
    },
    Group {
        name: "connections",
        why: "Whether callers get in at all, and what happens to them at a shutdown.",
        alerts: &[
            Alert {
                name: "KitConnectionsNearLimit",
                of: &["serve_connections", "serve_connections_limit"],
                expr: "serve_connections / serve_connections_limit > 0.8",
                lasts: "5m",
                severity: Ticket,
                summary: "{{ $labels.instance }} has {{ $value | humanizePercentage }} of the connections that it takes",
                todo: "More instances, a higher limit if memory allows, or callers that share connections.",
            },
            Alert {
                name: "KitAcceptPaused",
                of: &["serve_accept_pauses_total"],
                expr: "increase(serve_accept_pauses_total[5m]) > 0",
                lasts: "0m",
                severity: Page,
                summary: "{{ $labels.instance }} does not take new connections at times",
                todo: "It is at its limit of connections: as above, at once.",
            },
            Alert {
                name: "KitPeersRefused",
                of: &["serve_refusals_total"],
                expr: "sum by (job, reason) (rate(serve_refusals_total[5m])) > 1",
                lasts: "10m",
                severity: Ticket,
                summary: "{{ $labels.job }} turns peers away: {{ $labels.reason }}",
                todo: "Handshakes that fail after a deployment are certificates that somebody does not trust, or that ran out; without one it is a scanner.",
            },
            Alert {
                name: "KitCertificateExpires",
                of: &["tls_certificate_expiry_timestamp_seconds"],
                expr: "tls_certificate_expiry_timestamp_seconds - time() < 7 * 86400",
                lasts: "15m",
                severity: Ticket,
                summary: "The certificate {{ $labels.file }} that {{ $labels.instance }} shows expires in {{ $value | humanizeDuration }}",
                todo: "Whoever renews it (cert-manager, an ACME client) has failed or was never set up: see there. New files are read without a restart. It is the first of the chain that counts, perhaps one between yours and the authority. Certificates that live for less than a month want fewer days here.",
            },
            Alert {
                name: "KitCertificateExpired",
                of: &["tls_certificate_expiry_timestamp_seconds"],
                expr: "tls_certificate_expiry_timestamp_seconds - time() < 86400",
                lasts: "0m",
                severity: Page,
                summary: "The certificate {{ $labels.file }} that {{ $labels.instance }} shows expires within a day, or has",
                todo: "From then on no caller gets in. Renew it by hand, then see why nobody did.",
            },
            Alert {
                name: "KitCertificateNotReloaded",
                of: &["tls_certificate_last_reload_successful"],
                expr: "tls_certificate_last_reload_successful == 0",
                lasts: "5m",
                severity: Ticket,
                summary: "{{ $labels.instance }} cannot take over what is in {{ $labels.file }}",
                todo: "It goes on with the certificates it has, until they expire. The log says what is wrong: a file that is missing, or a key that is that of another certificate.",
            },
            Alert {
                name: "KitRequestsCut",
                of: &["serve_cut_total"],
                expr: "increase(serve_cut_total[1h]) > 0",
                lasts: "0m",
                severity: Ticket,
                summary: "A shutdown of {{ $labels.job }} cut requests",
                todo: "Give the drain more time, or requests a shorter deadline. `/debug/state` shows what is in flight while it drains.",
            },
        ],
    },
    Group {
        name: "discovery",
        why: "Who finds us and whom we find. A registry that is down stops nothing that works: callers keep the set \
              that they have. What ages meanwhile is that set.",
        alerts: &[
            Alert {
                name: "KitNoInstances",
                of: &["sd_instances"],
                expr: "sd_instances == 0",
                lasts: "1m",
                severity: Page,
                summary: "{{ $labels.instance }} finds no instance of {{ $labels.service }}",
                todo: "Calls of it fail. Is it deployed, is it registered (`sd_registered` there), does its health check pass?",
            },
            Alert {
                name: "KitRegistryDown",
                of: &["sd_up"],
                expr: "sd_up == 0",
                lasts: "5m",
                severity: Ticket,
                summary: "{{ $labels.instance }} cannot ask the registry for {{ $labels.service }}",
                todo: "The last set is in use. If all say so it is the registry, if one does its network or its token.",
            },
            Alert {
                name: "KitInstancesStale",
                of: &["sd_stale_seconds"],
                expr: "sd_stale_seconds > 900",
                lasts: "0m",
                severity: Page,
                summary: "{{ $labels.instance }} knows of {{ $labels.service }} what was so {{ $value | humanizeDuration }} ago",
                todo: "Deployments of that service now go unnoticed. Mend the registry first.",
            },
            Alert {
                name: "KitInstancesDoubted",
                of: &["sd_instances_missing"],
                expr: "sd_instances_missing > 0",
                lasts: "5m",
                severity: Ticket,
                summary: "The registry lost instances of {{ $labels.service }} that {{ $labels.instance }} keeps",
                todo: "A registry that was wiped, or checks that fail for many at once. See which it is before the doubt ends.",
            },
            Alert {
                name: "KitNotRegistered",
                of: &["sd_registered"],
                expr: "sd_registered == 0",
                lasts: "5m",
                severity: Page,
                summary: "{{ $labels.id }} of {{ $labels.service }} is not registered",
                todo: "Nobody new finds it. The log names the registrar's error; an instance that is not ready is taken out on purpose.",
            },
        ],
    },
    Group {
        name: "overload",
        why: "What protects a service from more than it can do, and from what is broken behind it. Each refusal is \
              meant; many of them for long are a lack of room, or the failure of somebody else.",
        alerts: &[
            Alert {
                name: "KitCircuitOpen",
                of: &["breaker_state"],
                expr: "max by (job, instance, breaker) (breaker_state{state=~\"open|forced-open\"}) == 1",
                lasts: "1m",
                severity: Page,
                summary: "The circuit {{ $labels.breaker }} of {{ $labels.instance }} is open",
                todo: "What is behind it fails or is slow: look at its own alerts. One that was opened by hand stays so until it is let go by hand.",
            },
            Alert {
                name: "KitThrottling",
                of: &["throttle_probability"],
                expr: "max by (job, throttle) (throttle_probability) > 0.1",
                lasts: "5m",
                severity: Ticket,
                summary: "{{ $labels.job }} holds back {{ $value | humanizePercentage }} of its requests to {{ $labels.throttle }}",
                todo: "That service refuses: it is overloaded. Look there.",
            },
            Alert {
                name: "KitOverloaded",
                of: &["concurrency_limit_refused_total", "concurrency_limit_admitted_total"],
                expr: "sum by (job, limiter) (rate(concurrency_limit_refused_total[5m])) / (sum by (job, limiter) (rate(concurrency_limit_refused_total[5m])) + sum by (job, limiter) (rate(concurrency_limit_admitted_total[5m]))) > 0.01",
                lasts: "5m",
                severity: Page,
                summary: "{{ $labels.job }} refuses {{ $value | humanizePercentage }} of its calls at {{ $labels.limiter }}",
                todo: "More instances; or look why calls take longer than they did, for then fewer fit. `criticality` says whom it hits.",
            },
            Alert {
                name: "KitRateLimited",
                of: &["rate_limit_refused_total", "rate_limit_allowed_total"],
                expr: "sum by (job, limit) (rate(rate_limit_refused_total[5m])) / (sum by (job, limit) (rate(rate_limit_refused_total[5m])) + sum by (job, limit) (rate(rate_limit_allowed_total[5m]))) > 0.1",
                lasts: "15m",
                severity: Ticket,
                summary: "The rate limit {{ $labels.limit }} of {{ $labels.job }} refuses {{ $value | humanizePercentage }}",
                todo: "One caller too eager, or a limit that traffic has outgrown.",
            },
            Alert {
                name: "KitBulkheadFull",
                of: &["bulkhead_refused_total"],
                expr: "sum by (job, bulkhead) (rate(bulkhead_refused_total[5m])) > 0",
                lasts: "5m",
                severity: Ticket,
                summary: "The bulkhead {{ $labels.bulkhead }} of {{ $labels.job }} is full",
                todo: "What it surrounds has become slow, or is asked more than it has places for.",
            },
            Alert {
                name: "KitFallbackFails",
                of: &["fallback_failed_total"],
                expr: "increase(fallback_failed_total[10m]) > 0",
                lasts: "5m",
                severity: Ticket,
                summary: "The fallback {{ $labels.fallback }} of {{ $labels.job }} fails as well",
                todo: "It hides nothing any more: callers see the errors.",
            },
        ],
    },
    Group {
        name: "clients",
        why: "What the services that we call do to us, as we see it: each try, by the name that the client was given.",
        alerts: &[
            Alert {
                name: "KitHttpClientErrors",
                of: &[HTTP_CLIENT],
                expr: "sum by (job, server_address) (rate(http_client_request_duration_seconds_count{error_type!~\"4..|\"}[5m])) / sum by (job, server_address) (rate(http_client_request_duration_seconds_count[5m])) > 0.1",
                lasts: "5m",
                severity: Ticket,
                summary: "{{ $value | humanizePercentage }} of the requests of {{ $labels.job }} to {{ $labels.server_address }} fail",
                todo: "`error_type` says how: a status is its answer, `UNAVAILABLE` is no answer, `DEADLINE_EXCEEDED` a late one.",
            },
            Alert {
                name: "KitGrpcClientErrors",
                of: &[RPC_CLIENT],
                expr: "sum by (job, server_address) (rate(rpc_client_call_duration_seconds_count{error_type=~\"UNKNOWN|DEADLINE_EXCEEDED|UNIMPLEMENTED|INTERNAL|UNAVAILABLE|DATA_LOSS\"}[5m])) / sum by (job, server_address) (rate(rpc_client_call_duration_seconds_count[5m])) > 0.1",
                lasts: "5m",
                severity: Ticket,
                summary: "{{ $value | humanizePercentage }} of the calls of {{ $labels.job }} to {{ $labels.server_address }} fail",
                todo: "As for HTTP.",
            },
        ],
    },
    Group {
        name: "access",
        why: "Who is turned away. A rise is an attack, or a key that was changed on one side only.",
        alerts: &[
            Alert {
                name: "KitCallersDenied",
                of: &["auth_requests_total"],
                expr: "sum by (job, outcome) (rate(auth_requests_total{outcome!~\"known|anonymous\"}[5m])) > 1",
                lasts: "10m",
                severity: Ticket,
                summary: "{{ $labels.job }} denies {{ $value }} requests a second: {{ $labels.outcome }}",
                todo: "The audit lines of the log name peers. Expired tokens from everywhere are a clock that is wrong, or an issuer that is down.",
            },
            Alert {
                name: "KitPasswordChecksRefused",
                of: &["auth_password_checks_total"],
                expr: "increase(auth_password_checks_total{outcome=\"refused\"}[10m]) > 0",
                lasts: "5m",
                severity: Ticket,
                summary: "{{ $labels.instance }} has no time to check passwords",
                todo: "Slow hashes are slow on purpose: somebody guesses, or callers come without keeping their connection.",
            },
            Alert {
                name: "KitDebugPortRefuses",
                of: &["debug_refusals_total"],
                expr: "sum by (job, reason) (increase(debug_refusals_total[10m])) > 5",
                lasts: "0m",
                severity: Ticket,
                summary: "Somebody tries to change things at the debug port of {{ $labels.job }}",
                todo: "Nobody but those who run it should reach that port.",
            },
        ],
    },
    Group {
        name: "telemetry",
        why: "Whether these figures, the log and the traces still arrive. While they do not, nothing else here says anything.",
        alerts: &[
            Alert {
                name: "KitMetricsNotExported",
                of: &["metrics_export_up"],
                expr: "metrics_export_up == 0",
                lasts: "5m",
                severity: Ticket,
                summary: "{{ $labels.instance }} cannot send its metrics to {{ $labels.exporter }}",
                todo: "Nothing is lost that can be told later; see whether that server is up.",
            },
            Alert {
                name: "KitSpansDropped",
                of: &["trace_spans_dropped_total"],
                expr: "sum by (job, reason) (increase(trace_spans_dropped_total[10m])) > 0",
                lasts: "10m",
                severity: Ticket,
                summary: "{{ $labels.job }} loses spans: {{ $labels.reason }}",
                todo: "The collector is down, or takes less than is sampled. Traces have holes; nothing else does.",
            },
            Alert {
                name: "KitLogLinesDropped",
                of: &["log_queue_dropped_total"],
                expr: "increase(log_queue_dropped_total[10m]) > 0",
                lasts: "0m",
                severity: Ticket,
                summary: "{{ $labels.instance }} drops log lines",
                todo: "Whoever reads them is slow, or the level is too verbose for the traffic: sample successes.",
            },
        ],
    },
];

// ===== impl Severity =====

impl Severity {
    const fn name(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Ticket => "ticket",
        }
    }
}

/// Writes the rules as Prometheus reads them.
pub(crate) fn rules() -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let mut yaml = String::from(
        "# Alerts of what kit's crates measure; the book's page What to watch has them in words.\n\
         # Made by `cargo run -p kit-docs --example watch`: change docs/watch/alerts.rs instead.\n\
         groups:\n",
    );
    for group in GROUPS {
        yaml += &format!("  - name: kit-{}\n    rules:\n", group.name);
        for alert in group.alerts {
            yaml += &format!(
                "      - alert: {}\n        expr: {}\n        for: {}\n        labels:\n          severity: {}\n        \
                 annotations:\n          summary: {}\n          description: {}\n",
                alert.name,
                quoted(alert.expr),
                alert.lasts,
                alert.severity.name(),
                quoted(alert.summary),
                quoted(alert.todo),
            );
        }
    }
    yaml
}
