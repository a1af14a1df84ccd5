//! Reflection, both versions.

#![cfg(feature = "reflection")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use kit_transport_grpc::reflection;
use std::error::Error;
use tokio_stream::StreamExt;

/// A descriptor set of one service, as a code generator writes it.
fn descriptors() -> Vec<u8> {
    use prost::Message;
    use prost_types::{FileDescriptorProto, FileDescriptorSet, ServiceDescriptorProto};

    let service = ServiceDescriptorProto { name: Some("Greeter".to_owned()), ..Default::default() };
    let file = FileDescriptorProto {
        name: Some("greeter/v1/greeter.proto".to_owned()),
        package: Some("greeter.v1".to_owned()),
        service: vec![service],
        ..Default::default()
    };
    FileDescriptorSet { file: vec![file] }.encode_to_vec()
}

macro_rules! lists_services {
    ($name:ident, $version:ident, $index:tt) => {
        #[tokio::test]
        async fn $name() {
            use tonic_reflection::pb::$version::{
                ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
                server_reflection_request::MessageRequest,
                server_reflection_response::MessageResponse,
            };

            let descriptors = descriptors();
            let server = reflection(&[&descriptors]).unwrap().$index;
            let request = ServerReflectionRequest {
                host: String::new(),
                message_request: Some(MessageRequest::ListServices(String::new())),
            };
            let mut replies = ServerReflectionClient::new(server)
                .server_reflection_info(tokio_stream::once(request))
                .await
                .unwrap()
                .into_inner();
            let reply = replies.next().await.unwrap().unwrap().message_response.unwrap();
            let MessageResponse::ListServicesResponse(list) = reply else {
                panic!("not a list: {reply:?}")
            };
            let mut names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
            names.sort();
            let itself = concat!("grpc.reflection.", stringify!($version), ".ServerReflection");
            assert_eq!(names, ["greeter.v1.Greeter", "grpc.health.v1.Health", itself]);
        }
    };
}

lists_services!(v1_lists_the_services, v1, 0);
lists_services!(v1alpha_lists_the_services, v1alpha, 1);

#[test]
fn what_is_no_descriptor_is_an_error() {
    let Err(error) = reflection(&[b"no descriptor"]) else { panic!("it is none") };
    assert!(error.to_string().contains("descriptor set"), "{error}");
    assert!(error.source().is_some());
}
