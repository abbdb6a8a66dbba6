//! Finding out that a server answers, directly and through the proxy. What answers is the visitor's code: it is given little time, little
//! room and no say in where the question goes.

use std::net::SocketAddr;
use std::time::Duration;

use futures::StreamExt as _;
use tokio::time::{Instant, sleep_until, timeout};
use url::Url;

/// The most of an answer that is read.
pub(crate) const ANSWER_BYTES: usize = 64 << 10;
/// How long one question may take.
const QUESTION_LIMIT: Duration = Duration::from_secs(2);
/// Between two tries to connect. A closed port says so in microseconds, so asking often costs nothing.
const CONNECT_PAUSE: Duration = Duration::from_millis(10);
/// Between two questions to a server that is there but not ready: from, to.
const DIRECT_PAUSE: (Duration, Duration) = (Duration::from_millis(25), Duration::from_millis(250));
/// Between two questions to the proxy, which needs a moment to hear of a route: from, to.
const PROXY_PAUSE: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(100));

/// What a server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    status: u16,
    body: Vec<u8>,
}

impl Answer {
    /// Whether the server itself is well; anything but its own failure counts.
    const fn is_from_a_working_server(&self) -> bool {
        self.status < 500
    }

    /// Whether this, heard through the proxy, is what the server said directly and not a page of the proxy's.
    fn is_the_same_as(&self, direct: &Self) -> bool {
        self.status == direct.status && (self.status < 400 || self.body == direct.body)
    }
}

/// A client for questions to sessions: no redirects, no proxy of the environment, connections not kept for long.
pub(crate) fn client() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(QUESTION_LIMIT)
        .timeout(QUESTION_LIMIT)
        .pool_idle_timeout(Duration::from_secs(5))
        .pool_max_idle_per_host(1)
        .build()
}

/// Asks until the server at `upstream` answers below 500. Never ends otherwise; the caller sets the bound.
pub(crate) async fn until_answering(client: &reqwest::Client, upstream: SocketAddr, base_path: &str) -> Answer {
    let address = format!("http://{upstream}{base_path}api");
    until(client, &address, DIRECT_PAUSE, Answer::is_from_a_working_server).await
}

/// Asks through the proxy until the answer is the server's own. Never ends otherwise; the caller sets the bound.
pub(crate) async fn until_routed(client: &reqwest::Client, proxy: &Url, base_path: &str, direct: &Answer) {
    let address = format!("{}{base_path}api", proxy.as_str().trim_end_matches('/'));
    until(client, &address, PROXY_PAUSE, |answer| answer.is_the_same_as(direct)).await;
}

async fn until(
    client: &reqwest::Client,
    address: &str,
    (mut pause, longest): (Duration, Duration),
    good: impl Fn(&Answer) -> bool,
) -> Answer {
    loop {
        let asked = Instant::now();
        match ask(client, address).await {
            Ok(answer) if good(&answer) => return answer,
            Err(Silence::NobodyListens) => sleep_until(asked + CONNECT_PAUSE).await,
            Ok(_) | Err(Silence::NoAnswer) => {
                sleep_until(asked + pause).await;
                pause = (pause * 5 / 4).min(longest);
            }
        }
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Silence {
    NobodyListens,
    NoAnswer,
}

async fn ask(client: &reqwest::Client, address: &str) -> Result<Answer, Silence> {
    // The client's own limit covers the body too; this one covers everything, whatever the client does.
    let asked = timeout(QUESTION_LIMIT, async {
        let refused =
            |error: reqwest::Error| if error.is_connect() { Silence::NobodyListens } else { Silence::NoAnswer };
        let response = client.get(address).send().await.map_err(refused)?;
        let status = response.status().as_u16();
        let body = read_at_most(response, ANSWER_BYTES).await.ok_or(Silence::NoAnswer)?;
        Ok(Answer { status, body })
    });
    asked.await.unwrap_or(Err(Silence::NoAnswer))
}

/// The body's first `limit` bytes; a longer one is cut, not refused. `None` when it breaks off.
pub(crate) async fn read_at_most(response: reqwest::Response, limit: usize) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    let mut stream = response.bytes_stream();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.ok()?;
        body.extend(chunk.iter().take(limit - body.len()));
        if body.len() >= limit {
            break;
        }
    }
    Some(body)
}

#[cfg(test)]
mod tests {
    use super::{ANSWER_BYTES, Answer, Silence, ask, client};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, body: body.into() }
    }

    #[test]
    fn a_page_of_the_proxys_is_not_taken_for_the_server() {
        let server = answer(200, "{}");
        assert!(answer(200, "{}").is_the_same_as(&server));
        for page in [answer(404, "no such session"), answer(424, ""), answer(503, ""), answer(302, "")] {
            assert!(!page.is_the_same_as(&server));
        }
        assert!(!answer(404, "no such session").is_the_same_as(&answer(404, "not found")));
    }

    /// A server that says exactly this to everybody; its address.
    async fn hostile(says: Vec<u8>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/user/x/api", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut peer, _)) = listener.accept().await {
                let says = says.clone();
                tokio::spawn(async move {
                    let _ = peer.read(&mut [0; 4096]).await;
                    let _ = peer.write_all(&says).await;
                    // Keeps the connection open: whoever waits for more waits in vain.
                    let _ = peer.read(&mut [0; 4096]).await;
                });
            }
        });
        address
    }

    #[tokio::test]
    async fn an_endless_answer_is_cut() {
        let mut says = b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n".to_vec();
        says.extend(vec![b'x'; 2 * ANSWER_BYTES]);
        let answer = ask(&client().unwrap(), &hostile(says).await).await.unwrap();
        assert_eq!((answer.status, answer.body.len()), (200, ANSWER_BYTES));
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_not_followed() {
        let says = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".to_vec();
        assert_eq!(ask(&client().unwrap(), &hostile(says).await).await, Ok(answer(302, "")));
    }

    #[tokio::test]
    async fn a_closed_port_is_told_apart_from_a_silent_server() {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert_eq!(ask(&client().unwrap(), &format!("http://{closed}/")).await, Err(Silence::NobodyListens));
    }

    #[tokio::test]
    async fn a_header_that_never_ends_is_given_up() {
        assert_eq!(
            ask(&client().unwrap(), &hostile(b"HTTP/1.1 200 OK\r\nX-".to_vec()).await).await,
            Err(Silence::NoAnswer)
        );
    }
}
