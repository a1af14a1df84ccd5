//! A Prometheus that scrapes the page and is asked about it.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod full;

use http::{Request, header::ACCEPT};
use kit_metrics::Prometheus;
use std::{
    convert::Infallible,
    env, fs,
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::{sleep, timeout},
};
use tower::ServiceExt;

/// It has to start, to scrape, and to answer.
const BOUND: Duration = Duration::from_secs(25);

/// A Prometheus that ends with the test, however that ends.
struct Scraper {
    child: Child,
    addr: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Scraper {
    fn start(target: SocketAddr) -> Self {
        let program =
            env::var("KIT_PROMETHEUS").expect("set KIT_PROMETHEUS, or run cargo xtask test");
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("prometheus.yml");
        let scrape = format!(
            "global: {{scrape_interval: 1s}}\n\
             scrape_configs: [{{job_name: kit, static_configs: [{{targets: ['{target}']}}]}}]\n"
        );
        fs::write(&config, scrape).unwrap();
        // Whoever takes the port in between fails this test.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = free.local_addr().unwrap();
        drop(free);
        let child = Command::new(program)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={addr}"))
            .args(["--enable-feature=exemplar-storage", "--log.level=warn"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, addr, _folder: folder }
    }

    /// Asks the API until the answer has `text` in it.
    async fn ask(&self, what: &str, text: &str) -> String {
        loop {
            let answer = self.get(what).await.unwrap_or_default();
            if answer.contains(text) {
                return answer;
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    async fn get(&self, what: &str) -> std::io::Result<String> {
        let mut connection = TcpStream::connect(self.addr).await?;
        let request = format!("GET /api/v1/{what} HTTP/1.0\r\n\r\n");
        connection.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await?;
        Ok(answer)
    }
}

impl Drop for Scraper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves the page to one who asks at a time, and tells what types were served.
async fn serve(listener: TcpListener, metrics: Prometheus, types: mpsc::Sender<String>) {
    loop {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") && connection.read_buf(&mut head).await.unwrap() > 0 {}
        let head = String::from_utf8(head).unwrap();
        let accept = head.lines().filter_map(|line| line.split_once(": "));
        let accept = accept.filter(|(name, _)| name.eq_ignore_ascii_case("accept"));
        let accept = accept.map(|(_, value)| value).collect::<Vec<_>>().join(",");
        let request = Request::get("/metrics").header(ACCEPT, accept).body(()).unwrap();
        let page: Result<_, Infallible> = metrics.service().oneshot(request).await;
        let page = page.unwrap();
        let kind = page.headers()["content-type"].to_str().unwrap();
        let reply = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n");
        let _ = connection.write_all(reply.as_bytes()).await;
        let _ = connection.write_all(page.body().as_bytes()).await;
        let _ = types.try_send(kind.to_owned());
    }
}

#[tokio::test]
#[ignore = "needs prometheus"]
async fn prometheus_scrapes_values_and_exemplars() {
    let metrics = full::recorder().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let scraper = Scraper::start(listener.local_addr().unwrap());
    let (types, mut served) = mpsc::channel(1);
    let asked = async {
        let series = "jobs_total";
        let answer = scraper.ask(&format!("query?query={series}"), "\"job\":\"kit\"").await;
        assert!(answer.contains(",\"2\"]"), "{answer}");
        let count = "http_server_request_duration_seconds_count";
        let answer = scraper.ask(&format!("query?query={count}"), "http_route").await;
        assert!(answer.contains("\"http_route\":\"/users/{id}\""), "{answer}");
        let quantile = "histogram_quantile(0.5,http_server_request_duration_seconds_bucket)";
        let answer = scraper.ask(&format!("query?query={quantile}"), "\"value\"").await;
        assert!(answer.contains(",\"0.0175\"]"), "{answer}");
        let bucket = "http_server_request_duration_seconds_bucket";
        let exemplars = format!("query_exemplars?query={bucket}&start=0&end=9999999999");
        let answer = scraper.ask(&exemplars, "trace_id").await;
        assert!(answer.contains(full::TRACE) && answer.contains("0000000000000007"), "{answer}");
        assert!(answer.contains("\"value\":\"0.02\""), "{answer}");
        let kind: String = served.recv().await.unwrap();
        assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
        let answer = scraper.ask("targets", "\"health\":\"up\"").await;
        assert!(answer.contains("\"lastError\":\"\""), "{answer}");
    };
    let bound = timeout(BOUND, async {
        tokio::select! {
            () = serve(listener, metrics, types) => {}
            () = asked => {}
        }
    });
    bound.await.expect("Prometheus has it in time");
}
