use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};

/// A reply that knows its own status and headers (Go kit's `StatusCoder` and
/// `Headerer`): see [`as_reply`].
pub trait Reply {
    /// Returns the status: 200 by default.
    fn status(&self) -> StatusCode {
        StatusCode::OK
    }

    /// Writes headers. They take the place of what the codec wrote under the
    /// same names; several of one name, appended, all go out.
    fn headers(&self, headers: &mut HeaderMap) {
        let _ = headers;
    }
}

/// Returns an encoder that writes by `encode`, under the status and the headers
/// that the reply itself says.
///
/// Under 204, 205 and 304, which have no body, `encode` is not called.
///
/// ```
/// # #[cfg(feature = "json")] {
/// use http::{HeaderMap, StatusCode, header};
/// use kit_transport_http::{Reply, as_reply, json};
///
/// #[derive(serde::Serialize)]
/// struct Created {
///     id: u64,
/// }
///
/// impl Reply for Created {
///     fn status(&self) -> StatusCode {
///         StatusCode::CREATED
///     }
///
///     fn headers(&self, headers: &mut HeaderMap) {
///         if let Ok(place) = format!("/users/{}", self.id).parse() {
///             headers.insert(header::LOCATION, place);
///         }
///     }
/// }
///
/// let response = as_reply(json::encode)(Created { id: 7 }).unwrap();
/// assert_eq!(response.status(), 201);
/// assert_eq!(response.headers()["location"], "/users/7");
/// assert_eq!(response.body(), r#"{"id":7}"#);
/// # }
/// ```
pub fn as_reply<T: Reply, N, E>(encode: N) -> impl Fn(T) -> Result<Response<Bytes>, E> + Clone
where
    N: Fn(T) -> Result<Response<Bytes>, E> + Clone,
{
    move |reply| {
        let status = reply.status();
        let mut headers = HeaderMap::new();
        reply.headers(&mut headers);
        let mut response = match status {
            StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED => {
                Response::new(Bytes::new())
            }
            _ => encode(reply)?,
        };
        *response.status_mut() = status;
        response.headers_mut().extend(headers);
        Ok(response)
    }
}
