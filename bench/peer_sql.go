package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
)

// sqlPool lends by database/sql: a worker is a connection of a driver that does
// nothing. pairs, fresh and nests take and return the *sql.Conn and leave the
// worker alone, which could be had by another call only.
type sqlPool struct{ db *sql.DB }

func openSQL(workers int) lender {
	db := sql.OpenDB(memory{})
	db.SetMaxOpenConns(workers)
	db.SetMaxIdleConns(workers)
	all := make([]*sql.Conn, workers)
	for i := range all {
		conn, err := db.Conn(context.Background())
		must(err)
		all[i] = conn
	}
	for _, conn := range all {
		must(conn.Close())
	}
	return &sqlPool{db}
}

func (s *sqlPool) pairs(ctx context.Context, n int) {
	for range n {
		conn, err := s.db.Conn(ctx)
		must(err)
		must(conn.Close())
	}
}

func (s *sqlPool) fresh(n int) {
	for range n {
		ctx, cancel := context.WithCancel(context.Background())
		conn, err := s.db.Conn(ctx)
		must(err)
		must(conn.Close())
		cancel()
	}
}

func (s *sqlPool) nests(ctx context.Context, n int) {
	var held [nested]*sql.Conn
	for range n / nested {
		for i := range held {
			conn, err := s.db.Conn(ctx)
			must(err)
			held[i] = conn
		}
		for _, conn := range held {
			must(conn.Close())
		}
	}
}

func (s *sqlPool) visits(ctx context.Context, asks func() bool, holds func(*worker)) {
	use := func(conn any) error {
		holds(conn.(*memoryConn).worker)
		return nil
	}
	for asks() {
		conn, err := s.db.Conn(ctx)
		must(err)
		must(conn.Raw(use))
		must(conn.Close())
	}
}

func (s *sqlPool) close() { must(s.db.Close()) }

// memory is a [driver.Connector] and [driver.Driver] whose connections lead
// nowhere.
type memory struct{}

func (memory) Connect(context.Context) (driver.Conn, error) {
	return &memoryConn{new(worker)}, nil
}

func (memory) Driver() driver.Driver            { return memory{} }
func (memory) Open(string) (driver.Conn, error) { return nil, errNoDatabase }

type memoryConn struct{ worker *worker }

var errNoDatabase = errors.New("there is no database")

func (*memoryConn) Prepare(string) (driver.Stmt, error) { return nil, errNoDatabase }
func (*memoryConn) Begin() (driver.Tx, error)           { return nil, errNoDatabase }
func (*memoryConn) Close() error                        { return nil }
