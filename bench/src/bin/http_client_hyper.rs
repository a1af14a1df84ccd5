//! Bare hyper: hyper-util's pooled client.

use bytes::Bytes;
use http::{Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use kit_bench::{
    BoxError, Greeting, Hello, LIMIT, port_and_job, runtime, slow_down, work_on_demand,
};
use std::time::Duration;

async fn read(response: Response<Incoming>) -> Result<Bytes, BoxError> {
    if !response.status().is_success() {
        return Err(response.status().to_string().into());
    }
    Ok(Limited::new(response.into_body(), LIMIT).collect().await?.to_bytes())
}

fn main() -> Result<(), BoxError> {
    let (port, job) = port_and_job()?;
    let runtime = runtime()?;
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(Duration::from_secs(5)));
    connector.set_nodelay(true);
    let client: Client<_, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
    if job == "get" {
        return work_on_demand(|calls| {
            runtime.block_on(async {
                for _ in 0..calls {
                    slow_down();
                    let query = serde_urlencoded::to_string(Hello { name: "Ada".to_owned() })?;
                    let uri = format!("http://127.0.0.1:{port}/greeting?{query}");
                    let request = Request::builder().method(Method::GET).uri(uri);
                    let reply = read(client.request(request.body(Full::default())?).await?).await?;
                    let greeting: Greeting = serde_json::from_slice(&reply)?;
                    assert_eq!(greeting.greeting, "Hello, Ada!");
                }
                Ok(())
            })
        });
    }
    let body = Bytes::from(vec![b'x'; job.parse()?]);
    let uri: Uri = format!("http://127.0.0.1:{port}/echo").parse()?;
    work_on_demand(|calls| {
        runtime.block_on(async {
            for _ in 0..calls {
                slow_down();
                let request = Request::builder().method(Method::POST).uri(uri.clone());
                let request = request.body(Full::new(body.clone()))?;
                assert_eq!(read(client.request(request).await?).await?.len(), body.len());
            }
            Ok(())
        })
    })
}
