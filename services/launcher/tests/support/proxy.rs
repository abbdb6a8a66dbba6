//! A proxy of the simplest kind: looks the session up in the store and splices bytes. What has no route gets a 404 page of its own.

use std::sync::Arc;

use bindery_core::seams::SessionStore;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// Starts one; its address.
pub(crate) async fn start(store: Arc<dyn SessionStore>) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        while let Ok((peer, _)) = listener.accept().await {
            let store = store.clone();
            tokio::spawn(async move {
                let _ = forward(peer, store.as_ref()).await;
            });
        }
    });
    address
}

async fn forward(mut peer: TcpStream, store: &dyn SessionStore) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if peer.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let id = text.split(['/', ' ']).find_map(|part| part.parse().ok());
    let upstream = match id {
        Some(id) => store.get(id).await.unwrap().and_then(|session| session.state.upstream()),
        None => None,
    };
    let Some(upstream) = upstream else {
        let page = "HTTP/1.1 404 Not Found\r\nContent-Length: 15\r\nConnection: close\r\n\r\nno such session";
        return peer.write_all(page.as_bytes()).await;
    };
    let mut server = TcpStream::connect(upstream).await?;
    // What follows on this connection may be for another session; a plain request is the only one on its connection.
    let asks_to_upgrade = text.to_ascii_lowercase().contains("\r\nupgrade:");
    let head = if asks_to_upgrade { text } else { text.replacen("\r\n", "\r\nConnection: close\r\n", 1) };
    server.write_all(head.as_bytes()).await?;
    tokio::io::copy_bidirectional(&mut peer, &mut server).await?;
    Ok(())
}
