//! Bare tonic: the generated client over tonic's channel.

use kit_bench::{
    BoxError,
    pb::{Ask, bench_client::BenchClient},
    port_and_job, runtime, slow_down, work_on_demand,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

fn ada() -> Ask {
    slow_down();
    Ask { name: "Ada".to_owned(), count: 0 }
}

fn main() -> Result<(), BoxError> {
    let (port, job) = port_and_job()?;
    let runtime = runtime()?;
    let uri = format!("http://127.0.0.1:{port}");
    let channel = runtime.block_on(Channel::from_shared(uri)?.connect())?;
    let mut client = BenchClient::new(channel);
    work_on_demand(|calls| {
        runtime.block_on(async {
            match &*job {
                "greet" => {
                    for _ in 0..calls {
                        let reply = client.greet(ada()).await?.into_inner();
                        assert_eq!(reply.greeting, "Hello, Ada!");
                    }
                }
                "many" => {
                    let count = u32::try_from(calls)?;
                    let ask = Ask { name: "Ada".to_owned(), count };
                    let mut replies = client.many(ask).await?.into_inner();
                    let mut read = 0;
                    while let Some(reply) = replies.message().await? {
                        slow_down();
                        assert_eq!(reply.greeting, "Hello, Ada!");
                        read += 1;
                    }
                    assert_eq!(read, count);
                }
                "gather" => {
                    let asks = tokio_stream::iter((0..calls).map(|_| ada()));
                    let reply = client.gather(asks).await?.into_inner();
                    assert_eq!(reply.greeting, "Hello, Ada!");
                }
                _ => {
                    let (sender, asks) = mpsc::channel(1);
                    sender.send(ada()).await?;
                    let asks = ReceiverStream::new(asks);
                    let mut replies = client.chat(asks).await?.into_inner();
                    for _ in 1..calls {
                        let reply = replies.message().await?.ok_or("no reply")?;
                        assert_eq!(reply.greeting, "Hello, Ada!");
                        sender.send(ada()).await?;
                    }
                    replies.message().await?.ok_or("no reply")?;
                    drop(sender);
                    assert_eq!(replies.message().await?, None);
                }
            }
            Ok(())
        })
    })
}
