BEGIN TRANSACTION;
CREATE TABLE answers (
	request VARCHAR NOT NULL, 
	model VARCHAR NOT NULL, 
	output BLOB NOT NULL, 
	outcome VARCHAR NOT NULL, 
	finish_reason VARCHAR NOT NULL, 
	latency_ms FLOAT NOT NULL, 
	prompt_tokens INTEGER NOT NULL, 
	completion_tokens INTEGER NOT NULL, 
	PRIMARY KEY (request)
);
INSERT INTO "answers" VALUES('r1','m',X'726566756E64','answered','stop',1.0,1,1);
CREATE TABLE intents (
	"key" VARCHAR NOT NULL, 
	use_case VARCHAR NOT NULL, 
	run VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	attempt INTEGER NOT NULL, 
	training_file_id VARCHAR, 
	validation_file_id VARCHAR, 
	job_id VARCHAR, 
	model VARCHAR, 
	job_state VARCHAR, 
	request JSON NOT NULL, 
	updated_at FLOAT NOT NULL, 
	PRIMARY KEY ("key")
);
CREATE TABLE meta (
	"key" VARCHAR NOT NULL, 
	value VARCHAR NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "meta" VALUES('format','1');
CREATE TABLE openings (
	use_case VARCHAR NOT NULL, 
	test_sha256 VARCHAR NOT NULL, 
	run VARCHAR NOT NULL, 
	candidates JSON NOT NULL, 
	opened_at FLOAT NOT NULL, 
	PRIMARY KEY (use_case, test_sha256, run)
);
INSERT INTO "openings" VALUES('support','5ea1','run-1','["best-prompt"]',1001.0);
CREATE TABLE partition_memory (
	use_case VARCHAR NOT NULL, 
	words VARCHAR NOT NULL, 
	partition VARCHAR NOT NULL, 
	run VARCHAR NOT NULL, 
	PRIMARY KEY (use_case, words)
);
INSERT INTO "partition_memory" VALUES('support','w1','test','run-1');
INSERT INTO "partition_memory" VALUES('support','w2','train','run-1');
CREATE TABLE runs (
	run VARCHAR NOT NULL, 
	use_case VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	detail JSON NOT NULL, 
	started_at FLOAT NOT NULL, 
	updated_at FLOAT NOT NULL, 
	PRIMARY KEY (run)
);
CREATE TABLE spend (
	"key" VARCHAR NOT NULL, 
	use_case VARCHAR NOT NULL, 
	run VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	amount FLOAT NOT NULL, 
	spent_at FLOAT NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "spend" VALUES('k','support','run-1','training',2.5,1002.0);
CREATE INDEX ix_intents_use_case ON intents (use_case);
CREATE INDEX ix_spend_use_case ON spend (use_case);
CREATE INDEX ix_spend_run ON spend (run);
COMMIT;
