//! An endpoint that goes away and comes back: the proxy that is cut, the anvil that is suspended.

use std::time::Duration;

use deposit_watcher::demo::{Evm, Proxy};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support;

#[tokio::test]
async fn a_cut_line_ends_connections_and_refuses_new_ones() {
    let anvil = support::anvil(&[]);
    let mut proxy = Proxy::start(anvil.port()).await.unwrap();
    let evm = Evm::new(proxy.url()).unwrap();
    evm.mine(3).await.unwrap();
    let mut open = TcpStream::connect(("127.0.0.1", proxy.port())).await.unwrap();
    evm.head().await.unwrap();

    proxy.cut().await;
    assert!(matches!(timeout(Duration::from_secs(5), open.read_u8()).await, Ok(Err(_))), "the connection ended");
    TcpStream::connect(("127.0.0.1", proxy.port())).await.unwrap_err();
    evm.head().await.unwrap_err();

    proxy.mend().await.unwrap();
    assert_eq!(evm.head().await.unwrap().block.number.0, 3);
}

#[tokio::test]
async fn a_suspended_anvil_answers_nothing_until_resumed() {
    let mut anvil = support::anvil(&[]);
    let evm = Evm::new(anvil.url()).unwrap();
    evm.mine(2).await.unwrap();
    anvil.suspend().unwrap();
    timeout(Duration::from_millis(300), evm.head()).await.unwrap_err();
    anvil.resume().unwrap();
    assert_eq!(evm.head().await.unwrap().block.number.0, 2);
    anvil.suspend().unwrap();
    let folder = anvil.folder().to_owned();
    drop(anvil);
    assert!(!folder.exists(), "a suspended one ends too");
}
