use super::{Format, Prometheus};
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, VARY},
};
use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};
use tower_service::Service;

/// Answers with the page, in the format that is asked for.
///
/// [`Prometheus::service`] makes it. It is a service of any request of HTTP, to
/// be routed by whatever routes; it answers `GET` and `HEAD`, on whatever path,
/// and other methods with 405. To make the page takes as long as the components
/// take that are asked, and some microseconds for each series, on the task that
/// calls. It is not compressed: tower-http has a layer for that.
#[derive(Debug, Clone)]
pub struct Page {
    metrics: Prometheus,
}

// ===== impl Page =====

impl Page {
    pub(super) const fn new(metrics: Prometheus) -> Self {
        Self { metrics }
    }

    fn answer(&self, head: bool, format: Format) -> Response<String> {
        let page = self.metrics.render_as(format);
        let length = HeaderValue::from(page.len());
        let mut reply = Response::new(if head { String::new() } else { page });
        let headers = reply.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
        headers.insert(CONTENT_LENGTH, length);
        headers.insert(VARY, HeaderValue::from_static("accept"));
        reply
    }
}

impl<B> Service<Request<B>> for Page {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let format = Format::from_accept(request.headers());
        ready(Ok(match *request.method() {
            Method::GET => self.answer(false, format),
            Method::HEAD => self.answer(true, format),
            _ => {
                let mut reply = Response::new(String::new());
                *reply.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
                reply.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
                reply
            }
        }))
    }
}
