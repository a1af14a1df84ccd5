//! The call of the collector's service, of a batch that is encoded already.

use bytes::{BufMut, Bytes};
use http::{HeaderMap, uri::PathAndQuery};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use std::error::Error;
use tonic::{
    Code, Request, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    metadata::MetadataMap,
    transport::Channel,
};

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// Sends the same bytes at each try, where tonic's own codec would need a copy of the
/// batch for each.
#[derive(Debug, Clone, Copy)]
struct Encoded;

pub(super) async fn export(
    channel: Channel,
    batch: Bytes,
    headers: HeaderMap,
    gzip: bool,
) -> Result<ExportTraceServiceResponse, Status> {
    let metadata = MetadataMap::from_headers(headers);
    let request = Request::from_parts(metadata, http::Extensions::new(), batch);
    let mut service = Grpc::new(channel);
    #[cfg(feature = "gzip")]
    if gzip {
        service = service.send_compressed(tonic::codec::CompressionEncoding::Gzip);
    }
    #[cfg(not(feature = "gzip"))]
    let _ = gzip;
    service.ready().await.map_err(|error| Status::from_error(error.into()))?;
    let reply = service.unary(request, PathAndQuery::from_static(EXPORT), Encoded).await?;
    Ok(reply.into_inner())
}

/// Whether the connection broke off, for which tonic has no code of its own.
pub(super) fn is_broken(status: &Status) -> bool {
    let source = status.source().is_some_and(<dyn Error>::is::<tonic::transport::Error>);
    status.code() == Code::Unknown && source
}

impl Codec for Encoded {
    type Encode = Bytes;
    type Decode = ExportTraceServiceResponse;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Encoded {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, batch: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(batch);
        Ok(())
    }
}

impl Decoder for Encoded {
    type Item = ExportTraceServiceResponse;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Self::Item>, Status> {
        let said = Self::Item::decode(buffer);
        said.map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}
