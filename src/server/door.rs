//! What answers on the door for decisions: checks by the shortest way, everything else by routes.

use crate::ext_authz::{Answer, CHECK_PATH, CheckService};
use axum::Router;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tower::Service;
use tower::ServiceExt as _;

/// The services of the gRPC door.
#[derive(Clone)]
pub(super) struct Door {
    pub(super) check: CheckService,
    pub(super) others: Router,
}

/// The body of an answer.
pub(super) enum DoorBody {
    Check(Answer),
    Other(axum::body::Body),
}

impl Service<Request<Incoming>> for Door {
    type Response = Response<DoorBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        if request.uri().path() == CHECK_PATH {
            let check = self.check.clone();
            // Here and not when its turn comes: calls that wait for their turn are in progress too.
            let admission = check.admit();
            return Box::pin(async move {
                Ok(check.respond(admission, request).await.map(DoorBody::Check))
            });
        }
        let others = self.others.clone();
        let request = request.map(axum::body::Body::new);
        Box::pin(async move { Ok(others.oneshot(request).await?.map(DoorBody::Other)) })
    }
}

impl Body for DoorBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match self.get_mut() {
            Self::Check(answer) => {
                let polled = Pin::new(answer).poll_frame(context);
                polled.map(|frame| frame.map(|frame| frame.map_err(|never| match never {})))
            }
            Self::Other(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Check(answer) => answer.is_end_stream(),
            Self::Other(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Check(answer) => answer.size_hint(),
            Self::Other(body) => body.size_hint(),
        }
    }
}
