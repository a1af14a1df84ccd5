use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

/// A page of JSON, on more lines than one: people read it, too.
pub(crate) fn json(value: &impl Serialize) -> Response {
    match serde_json::to_vec_pretty(value) {
        Ok(mut page) => {
            page.push(b'\n');
            let content = HeaderValue::from_static("application/json");
            ([(header::CONTENT_TYPE, content)], page).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
