//! The proxy between real sockets: clients on one side, servers on the other, a store in memory beside it.

#[cfg(test)]
mod bodies;
#[cfg(test)]
mod hygiene;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod plain;
#[cfg(test)]
mod site;
#[cfg(test)]
mod store;
#[cfg(test)]
mod upstream;
#[cfg(test)]
mod websocket;
