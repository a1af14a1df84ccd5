//! A reqwest client that says who it is: each request has its credentials.

use http::{HeaderValue, header::AUTHORIZATION};
use reqwest::{Client, Method, Request};
use std::{
    io::{self, BufRead, BufReader, Write},
    net::TcpListener,
    thread,
};
use tower::{BoxError, ServiceBuilder, ServiceExt};

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
    let url = format!("http://{}/", listener.local_addr()?).parse()?;
    let server = thread::spawn(move || echo(&listener));

    let mut token = HeaderValue::from_static("Bearer t-1234");
    token.set_sensitive(true);
    // No proxy, whatever the environment says: the port is this machine's.
    let client = Client::builder().no_proxy().build()?;
    let client = ServiceBuilder::new()
        .map_request(move |mut request: Request| {
            request.headers_mut().insert(AUTHORIZATION, token.clone());
            request
        })
        .service(client);

    let reply = client.oneshot(Request::new(Method::GET, url)).await?;
    assert_eq!(reply.text().await?, "Bearer t-1234");
    server.join().map_err(|_| "the server panicked")??;
    Ok(())
}

#[test]
fn shows_what_it_says() -> Result<(), BoxError> {
    main()
}
