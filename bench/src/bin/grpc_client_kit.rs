//! Our gRPC client over tonic's channel.

use kit_bench::{
    BoxError, EmptyName, Greeting, Hello,
    pb::{Ask, Reply},
    port_and_job, runtime, slow_down, work_on_demand,
};
use kit_endpoint::Request;
use kit_transport_grpc::Client;
use std::convert::Infallible;
use tokio::sync::mpsc;
use tokio_stream::{StreamExt, wrappers::ReceiverStream};
use tonic::transport::Channel;
use tower::{Service, ServiceExt};

fn ada() -> Hello {
    slow_down();
    Hello { name: "Ada".to_owned() }
}

fn encode(Hello { name }: Hello) -> Result<Ask, Infallible> {
    Ok(Ask { name, count: 0 })
}

fn counted((Hello { name }, count): (Hello, u32)) -> Result<Ask, Infallible> {
    Ok(Ask { name, count })
}

fn decode(Reply { greeting }: Reply) -> Result<Greeting, Infallible> {
    Ok(Greeting { greeting })
}

async fn call<S: Service<R>, R>(service: &mut S, request: R) -> Result<S::Response, S::Error> {
    service.ready().await?.call(request).await
}

fn main() -> Result<(), BoxError> {
    let (port, job) = port_and_job()?;
    let runtime = runtime()?;
    let uri = format!("http://127.0.0.1:{port}");
    let channel = runtime.block_on(Channel::from_shared(uri)?.connect())?;
    let mut greet = Client::new(channel.clone(), "/bench.v1.Bench/Greet", encode, decode);
    let mut many =
        Client::server_streaming(channel.clone(), "/bench.v1.Bench/Many", counted, decode);
    let mut gather =
        Client::client_streaming(channel.clone(), "/bench.v1.Bench/Gather", encode, decode);
    let mut chat = Client::bidi(channel, "/bench.v1.Bench/Chat", encode, decode);
    work_on_demand(|calls| {
        runtime.block_on(async {
            match &*job {
                "greet" => {
                    for _ in 0..calls {
                        let reply = call(&mut greet, Request::new(ada())).await?;
                        assert_eq!(reply.greeting, "Hello, Ada!");
                    }
                }
                "many" => {
                    let count = u32::try_from(calls)?;
                    let ask = (Hello { name: "Ada".to_owned() }, count);
                    let mut replies = call(&mut many, Request::new(ask)).await?;
                    let mut read = 0;
                    while let Some(reply) = replies.try_next().await? {
                        slow_down();
                        assert_eq!(reply.greeting, "Hello, Ada!");
                        read += 1;
                    }
                    assert_eq!(read, count);
                }
                "gather" => {
                    let asks = (0..calls).map(|_| Ok::<_, EmptyName>(ada()));
                    let asks = Request::new(tokio_stream::iter(asks));
                    let reply = call(&mut gather, asks).await?;
                    assert_eq!(reply.greeting, "Hello, Ada!");
                }
                _ => {
                    let (sender, asks) = mpsc::channel(1);
                    sender.send(Ok::<_, EmptyName>(ada())).await?;
                    let asks = Request::new(ReceiverStream::new(asks));
                    let mut replies = call(&mut chat, asks).await?;
                    for _ in 1..calls {
                        let reply = replies.try_next().await?.ok_or("no reply")?;
                        assert_eq!(reply.greeting, "Hello, Ada!");
                        sender.send(Ok(ada())).await?;
                    }
                    replies.try_next().await?.ok_or("no reply")?;
                    drop(sender);
                    assert!(replies.try_next().await?.is_none());
                }
            }
            Ok(())
        })
    })
}
