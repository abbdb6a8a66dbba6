mod backend;
mod house;
mod launcher;
mod measure;
mod probe;
