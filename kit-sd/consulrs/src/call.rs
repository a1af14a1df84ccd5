use crate::InvalidName;
use http::{
    HeaderValue, Request, Uri,
    header::{CONTENT_TYPE, HeaderName},
};
use kit_sd::consul::Error;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rustify::{
    Endpoint,
    enums::{RequestMethod, RequestType, ResponseType},
    errors::ClientError,
};
use std::fmt::Write;

/// A call to the agent. Its answer is read by who made it.
pub(crate) struct Call {
    method: RequestMethod,
    /// The URL, encoded.
    url: String,
    token: Option<HeaderValue>,
    body: Vec<u8>,
}

/// All but RFC 3986's unreserved characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

// ===== impl Call =====

impl Call {
    pub(crate) const fn new(
        method: RequestMethod,
        url: String,
        token: Option<HeaderValue>,
    ) -> Self {
        Self { method, url, token, body: Vec::new() }
    }

    /// Adds the last segment of the path.
    pub(crate) fn of(mut self, name: &str) -> Result<Self, Error> {
        // reqwest would take them for steps, encoded or not, and call another path.
        if matches!(name, "" | "." | "..") {
            return Err(Error::Other(InvalidName(name.to_owned()).into()));
        }
        self.url.push('/');
        self.encode(name);
        Ok(self)
    }

    /// Adds a parameter of the query.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.url.push(if self.url.contains('?') { '&' } else { '?' });
        self.url.push_str(name);
        self.url.push('=');
        self.encode(value);
        self
    }

    pub(crate) fn body(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        self
    }

    fn encode(&mut self, text: &str) {
        // Writing to a `String` cannot fail.
        let _ = write!(self.url, "{}", utf8_percent_encode(text, ENCODED));
    }
}

impl Endpoint for Call {
    type Response = ();
    const REQUEST_BODY_TYPE: RequestType = RequestType::JSON;
    const RESPONSE_BODY_TYPE: ResponseType = ResponseType::JSON;

    fn path(&self) -> String {
        self.url.clone()
    }

    fn method(&self) -> RequestMethod {
        self.method.clone()
    }

    /// Makes the request as it is sent: rustify's own would encode the path,
    /// and the middleware of consulrs once more.
    fn request(&self, _: &str) -> Result<Request<Vec<u8>>, ClientError> {
        let mut request = Request::new(self.body.clone());
        *request.method_mut() = self.method.clone().into();
        *request.uri_mut() =
            Uri::try_from(&*self.url).map_err(|source| ClientError::UrlBuildError { source })?;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(token) = &self.token {
            headers.insert(HeaderName::from_static("x-consul-token"), token.clone());
        }
        Ok(request)
    }
}
