//! A reqwest client that says who it is: each request has its credentials.

use http::Request;
use kit_auth::client::{CredentialLayer, bearer};
use reqwest::Client;
use std::{
    io::{self, BufRead, BufReader, Write},
    net::TcpListener,
    thread,
};
use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};

/// Answers one request with the credentials that it shows.
fn echo(listener: &TcpListener) -> io::Result<()> {
    let (stream, _) = listener.accept()?;
    let mut shown = String::new();
    for line in BufReader::new(&stream).lines() {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("authorization: ") {
            value.clone_into(&mut shown);
        }
    }
    write!(&stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{shown}", shown.len())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/", listener.local_addr()?);
    let server = thread::spawn(move || echo(&listener));

    // No proxy, whatever the environment says: the port is this machine's.
    let client = Client::builder().no_proxy().build()?;
    let client = ServiceBuilder::new()
        .layer(CredentialLayer::new(bearer("t-1234")?))
        // reqwest takes its requests from those of `http`.
        .service(service_fn(move |request: Request<String>| {
            let client = client.clone();
            async move { Ok::<_, BoxError>(client.execute(request.try_into()?).await?) }
        }));

    let reply = client.oneshot(Request::get(url).body(String::new())?).await?;
    assert_eq!(reply.text().await?, "Bearer t-1234");
    server.join().map_err(|_| "the server panicked")??;
    Ok(())
}

#[test]
fn shows_what_it_says() -> Result<(), BoxError> {
    main()
}
