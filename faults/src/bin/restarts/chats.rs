//! Streams of gRPC: a greeter's chat, over the channel that anyone would use.

use crate::{Counts, GONE_AWAY, LIMIT, SECOND, chain};
use axum::Router;
use greeter::{
    endpoints::endpoints,
    entry::Entry,
    pb::{GreetingRequest, GreetingResponse, greeter_client::GreeterClient},
    service::Greeter,
    transport::grpc,
};
use kit_breaker::{Circuit, Limits};
use kit_faults::{BoxError, server::Server, table::Table};
use kit_metrics::Prometheus;
use std::{net::SocketAddr, sync::Arc, sync::atomic::Ordering, time::Duration};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Streaming,
    transport::{Channel, Endpoint},
};

/// How hyper tells of a request that it has not sent, for this or that reason of
/// the connection's, and tonic hands on: its channel learns of a GOAWAY by the
/// first call after it.
const NOT_SENT: &str = "operation was canceled: connection ";
/// How many greetings a chat has.
const GREETINGS: u32 = 50;

/// The greeter's endpoints over gRPC.
pub(crate) fn router() -> Result<Router, BoxError> {
    let (_, ready) = watch::channel(true);
    let circuit = Circuit::new("greeting", Limits::default());
    let (metrics, entry) = (Prometheus::new(), Entry::default());
    let endpoints = endpoints(Greeter, ready.clone(), circuit, metrics, entry);
    Ok(grpc::routes(endpoints, ready)?.into_axum_router())
}

struct Chat {
    say: mpsc::Sender<GreetingRequest>,
    replies: Streaming<GreetingResponse>,
}

fn client(address: SocketAddr) -> Result<GreeterClient<Channel>, BoxError> {
    let channel = Endpoint::from_shared(format!("http://{address}"))?.connect_lazy();
    Ok(GreeterClient::new(channel))
}

impl Chat {
    async fn open(client: &mut GreeterClient<Channel>) -> Result<Self, BoxError> {
        let (say, said) = mpsc::channel(1);
        let replies = client.chat(ReceiverStream::new(said)).await?.into_inner();
        Ok(Self { say, replies })
    }

    /// Says a name, and waits for its greeting.
    async fn greet(&mut self) -> Result<(), BoxError> {
        self.say.send(GreetingRequest { name: "Ada".to_owned() }).await?;
        let reply = timeout(LIMIT, self.replies.message()).await??.ok_or("it ended early")?;
        if reply.greeting == "Hello, Ada!" { Ok(()) } else { Err(reply.greeting.into()) }
    }

    /// Says no more, and waits for the end.
    async fn end(self) -> Result<(), BoxError> {
        let Self { say, mut replies } = self;
        drop(say);
        match timeout(LIMIT, replies.message()).await?? {
            None => Ok(()),
            Some(_) => Err("it goes on".into()),
        }
    }
}

/// A call was not begun, and may go over the next connection.
fn goes_elsewhere(error: &(dyn std::error::Error + 'static)) -> bool {
    let why = chain(error);
    why.contains(GONE_AWAY) || why.contains(NOT_SENT)
}

/// Has one chat after the other, all over one channel.
pub(crate) async fn chats(address: SocketAddr, counts: Arc<Counts>) {
    let mut client = match client(address) {
        Ok(client) => client,
        Err(error) => return counts.lost(&error),
    };
    loop {
        counts.asked();
        let mut chat = match Chat::open(&mut client).await {
            Ok(chat) => chat,
            // It may go over the next connection, and does: nothing was begun.
            Err(error) if goes_elsewhere(&*error) => {
                counts.again.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            Err(error) => {
                counts.lost(&format!("not begun: {}", chain(&*error)));
                continue;
            }
        };
        let talk = async {
            for _ in 0..GREETINGS {
                chat.greet().await?;
                sleep(Duration::from_millis(5)).await;
            }
            chat.end().await
        };
        if let Err(error) = talk.await {
            counts.lost(&format!("in the middle: {}", chain(&*error)));
        }
    }
}

/// A chat that its caller does not end, over a restart.
pub(crate) async fn held(which: &str, name: &str, table: &mut Table) -> Result<(), BoxError> {
    let old = Server::start(&["serve", which, "0"])?;
    let address = old.address;
    let mut client = client(address)?;
    let mut chat = Chat::open(&mut client).await?;
    chat.greet().await?;
    let new = Server::start(&["serve", which, &address.port().to_string()])?;
    sleep(Duration::from_millis(100)).await;
    old.terminate()?;
    let begun = Instant::now();
    sleep(SECOND).await;
    let (goes_on, is_ours) = (chat.greet().await.is_ok(), which == "kit");
    // The channel was told, and has another connection.
    let mut other = async || client.greeting(GreetingRequest { name: "Ada".to_owned() }).await;
    let other = match other().await {
        Err(status) if goes_elsewhere(&status) => other().await.is_ok(),
        other => other.is_ok(),
    };
    let ended = timeout(LIMIT + 2 * SECOND, chat.replies.message()).await;
    let took = begun.elapsed().as_secs_f64();
    let said = match ended {
        Ok(Ok(_)) => format!("well, {took:.2} s after the signal"),
        Ok(Err(status)) => format!("{}, {took:.2} s after the signal", status.code()),
        Err(_) => "not at all".to_owned(),
    };
    let limit = LIMIT.as_secs_f64();
    let is_met = (limit - 0.1..limit + 0.5).contains(&took) && !said.starts_with("not");
    let fault = format!("{name}, a chat that is not ended");
    let bar = |bar: &str| if is_ours { bar.to_owned() } else { "shown".to_owned() };
    for (what, is) in [
        ("it goes on 1 s after the signal", goes_on),
        ("its channel calls the next server meanwhile", other),
    ] {
        table.row(&fault, what, if is { "yes" } else { "no" }, bar("yes"), is || !is_ours);
    }
    let what = format!("it ends at the drain's limit of {limit} s");
    table.row(&fault, &what, said, bar("then"), is_met || !is_ours);
    drop((old, new));
    Ok(())
}
