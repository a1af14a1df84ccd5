//! Our HTTP client, over the pool that it brings.

use bytes::Bytes;
use http::{Method, Uri};
use kit_bench::{
    BoxError, Greeting, Hello, LIMIT, port_and_job, runtime, slow_down, work_on_demand,
};
use kit_endpoint::Request;
use kit_transport_http::{Client, json, pool, query};
use std::{convert::Infallible, time::Duration};
use tower::{Service, ServiceExt};

fn main() -> Result<(), BoxError> {
    let (port, job) = port_and_job()?;
    let runtime = runtime()?;
    let pool = pool(Duration::from_secs(5));
    if job == "get" {
        let uri = format!("http://127.0.0.1:{port}/greeting").parse()?;
        let mut client =
            Client::new(pool, query::request(Method::GET, uri), json::reply::<Greeting>)
                .body_limit(LIMIT);
        return work_on_demand(|calls| {
            runtime.block_on(async {
                for _ in 0..calls {
                    slow_down();
                    let hello = Hello { name: "Ada".to_owned() };
                    let greeting = client.ready().await?.call(Request::new(hello)).await?;
                    assert_eq!(greeting.greeting, "Hello, Ada!");
                }
                Ok(())
            })
        });
    }
    let body = Bytes::from(vec![b'x'; job.parse()?]);
    let uri: Uri = format!("http://127.0.0.1:{port}/echo").parse()?;
    let encode = |body: &Bytes| {
        let mut request = http::Request::new(body.clone());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri.clone();
        Ok::<_, Infallible>(request)
    };
    let decode = |reply: &http::Response<Bytes>| Ok::<_, Infallible>(reply.body().clone());
    let mut client = Client::new(pool, encode, decode).body_limit(LIMIT);
    work_on_demand(|calls| {
        runtime.block_on(async {
            for _ in 0..calls {
                slow_down();
                let reply = client.ready().await?.call(Request::new(body.clone())).await?;
                assert_eq!(reply.len(), body.len());
            }
            Ok(())
        })
    })
}
