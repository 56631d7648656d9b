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
INSERT INTO "intents" VALUES('114381d6f72db6ebf9e505caca369bbba4c826d3d57ce314eeaec5e5cd35a943','support','run-1','INTENT',0,NULL,NULL,NULL,NULL,NULL,'{"provider": "scripted", "base_url": "https://provider.example/v1", "account": "team-a", "use_case": "support", "training_sha256": "134036cb0d2eb0bc76202c82de329f6e60ad97b7068b4e55917098545c6c72d8", "validation_sha256": "efad64043b2a1adb9cd3b4b377f1ec77790f58fb13ce0327008355b45ed38faa", "base_model": "base-1", "method": "supervised", "hyperparameters": {"n_epochs": null, "batch_size": null, "learning_rate_multiplier": null}, "seed": 7, "generation": 1}',1000000.0);
INSERT INTO "intents" VALUES('bd1a13854db23e98b647d740f20418951c0f27dfdc5bc34f9fb5d4796e88c5ec','support','run-2','UPLOADED',0,'file-1','file-2',NULL,NULL,NULL,'{"provider": "scripted", "base_url": "https://provider.example/v1", "account": "team-a", "use_case": "support", "training_sha256": "134036cb0d2eb0bc76202c82de329f6e60ad97b7068b4e55917098545c6c72d8", "validation_sha256": "efad64043b2a1adb9cd3b4b377f1ec77790f58fb13ce0327008355b45ed38faa", "base_model": "base-1", "method": "supervised", "hyperparameters": {"n_epochs": null, "batch_size": null, "learning_rate_multiplier": null}, "seed": 7, "generation": 2}',1000060.0);
INSERT INTO "intents" VALUES('77d51cbbfdc027fc73a682bc33a05fc92ced58733dda4b8f30b9e239a447c419','support','run-3','SUBMITTING',1,'file-3','file-4',NULL,NULL,NULL,'{"provider": "scripted", "base_url": "https://provider.example/v1", "account": "team-a", "use_case": "support", "training_sha256": "134036cb0d2eb0bc76202c82de329f6e60ad97b7068b4e55917098545c6c72d8", "validation_sha256": "efad64043b2a1adb9cd3b4b377f1ec77790f58fb13ce0327008355b45ed38faa", "base_model": "base-1", "method": "supervised", "hyperparameters": {"n_epochs": null, "batch_size": null, "learning_rate_multiplier": null}, "seed": 7, "generation": 3}',1000120.0);
INSERT INTO "intents" VALUES('2d65879351598d8bb5c4025d4b236bed17e7e0e3a3fae1c1979c01c812670b09','support','run-4','SUBMITTED',1,'file-5','file-6','job-2',NULL,'running','{"provider": "scripted", "base_url": "https://provider.example/v1", "account": "team-a", "use_case": "support", "training_sha256": "134036cb0d2eb0bc76202c82de329f6e60ad97b7068b4e55917098545c6c72d8", "validation_sha256": "efad64043b2a1adb9cd3b4b377f1ec77790f58fb13ce0327008355b45ed38faa", "base_model": "base-1", "method": "supervised", "hyperparameters": {"n_epochs": null, "batch_size": null, "learning_rate_multiplier": null}, "seed": 7, "generation": 4}',1000180.0);
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
INSERT INTO "openings" VALUES('support','5ea1','run-4','["best-prompt"]',1000240.0);
CREATE TABLE partition_memory (
	use_case VARCHAR NOT NULL, 
	words VARCHAR NOT NULL, 
	partition VARCHAR NOT NULL, 
	run VARCHAR NOT NULL, 
	PRIMARY KEY (use_case, words)
);
INSERT INTO "partition_memory" VALUES('support','w1','test','run-4');
INSERT INTO "partition_memory" VALUES('support','w2','train','run-4');
CREATE TABLE runs (
	run VARCHAR NOT NULL, 
	use_case VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	detail JSON NOT NULL, 
	started_at FLOAT NOT NULL, 
	updated_at FLOAT NOT NULL, 
	PRIMARY KEY (run)
);
INSERT INTO "runs" VALUES('run-4','support','started','{}',1000240.0,1000240.0);
CREATE TABLE spend (
	"key" VARCHAR NOT NULL, 
	use_case VARCHAR NOT NULL, 
	run VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	amount FLOAT NOT NULL, 
	spent_at FLOAT NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "spend" VALUES('training x','support','run-4','training',2.5,1000240.0);
CREATE TABLE test_sets (
	use_case VARCHAR NOT NULL, 
	test_sha256 VARCHAR NOT NULL, 
	test_set INTEGER NOT NULL, 
	run VARCHAR NOT NULL, 
	sealed_at FLOAT NOT NULL, 
	PRIMARY KEY (use_case, test_sha256)
);
INSERT INTO "test_sets" VALUES('support','5ea1',1,'run-4',1000240.0);
CREATE TABLE uploads (
	use_case VARCHAR NOT NULL, 
	sha256 VARCHAR NOT NULL, 
	run VARCHAR NOT NULL, 
	rows INTEGER NOT NULL, 
	fingerprints BLOB NOT NULL, 
	uploaded_at FLOAT NOT NULL, 
	PRIMARY KEY (use_case, sha256)
);
INSERT INTO "uploads" VALUES('support','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','run-4',3,X'6670',1000240.0);
CREATE INDEX ix_intents_use_case ON intents (use_case);
CREATE INDEX ix_spend_use_case ON spend (use_case);
CREATE INDEX ix_spend_run ON spend (run);
COMMIT;
