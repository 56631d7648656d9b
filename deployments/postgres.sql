-- One database for each of the three that keep something. Run once, when the volume is empty.
create database prefect;
create database mlflow;
create database tunegate;
